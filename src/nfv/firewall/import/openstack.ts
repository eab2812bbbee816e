/**
 * OpenStack security groups as Neutron's API and its clients show them: `security_groups`, `security_group`,
 * `security_group_rules` with `ports` and `address_groups`; lists of `openstack ... -f json`; Heat templates. Several documents may
 * stand in one text. Each port may do what any of its groups allows, in each direction, and nothing else.
 */
import { parseAllDocuments } from 'yaml'
import { parseCidr } from '../../../base/addresses.js'
import { union } from '../meaning/address-set.js'
import { members } from './box-text.js'
import { protocolNumber } from './numbers.js'
import { ownersOf } from './owners.js'
import { ImportError, type Imported, type ImportOptions, RuleWriter } from './rule-writer.js'
import { type Allowed, type Selected, writeSelective } from './selective.js'

type Fields = Readonly<Record<string, unknown>>

interface Rule {
  readonly id: string
  readonly group: string
  readonly direction: 'ingress' | 'egress'
  readonly version: 4 | 6
  readonly protocol: string | undefined
  readonly least: number | undefined
  readonly most: number | undefined
  readonly prefix: string | undefined
  readonly remoteGroup: string | undefined
  readonly addressGroup: string | undefined
}

interface Group {
  readonly id: string
  readonly name: string
  readonly isStateful: boolean
}

interface Port {
  readonly fixed: readonly string[]
  /** Addresses that it may use as well: Neutron treats them as its own, in rules and as members of remote groups. */
  readonly pairs: readonly string[]
  readonly groups: readonly string[]
  readonly isGuarded: boolean
}

interface Cloud {
  readonly groups: Map<string, Group>
  readonly rules: Map<string, Rule>
  readonly ports: Port[]
  readonly addressGroups: Map<string, readonly string[]>
}

/** @throws {ImportError} when it holds no groups and ports, or names groups that are not there */
export const importOpenstack = (text: string, options: ImportOptions = {}): Imported => {
  const writer = new RuleWriter(options)
  const cloud = readCloud(text)
  if (cloud.groups.size + cloud.rules.size === 0)
    throw new ImportError(
      'there is no security group in it: "security_groups", or a list of openstack -f json',
    )
  if (cloud.ports.length === 0)
    throw new ImportError(
      'there are no "ports" in it, so that its groups would restrict nothing: put the answer of "openstack port list --long -f json" into the file',
    )
  writer.comment('from OpenStack security groups')
  writeSelective(writer, selectedOf(cloud, writer))
  return writer.done()
}

const textOf = (value: unknown): string | undefined =>
  value === undefined || value === null || value === '' || value === 'None'
    ? undefined
    : String(value)

const listOf = (value: unknown): readonly unknown[] =>
  Array.isArray(value) ? value : value === undefined || value === null ? [] : [value]

const readCloud = (text: string): Cloud => {
  const cloud: Cloud = { groups: new Map(), rules: new Map(), ports: [], addressGroups: new Map() }
  for (const document of parseAllDocuments(text)) {
    const problem = 'errors' in document ? document.errors[0] : undefined
    if (problem) throw new ImportError(problem.message, problem.linePos?.[0].line)
    const value: unknown = document.toJS({ maxAliasCount: 20 })
    for (const each of listOf(value)) {
      if (typeof each !== 'object' || each === null)
        throw new ImportError('this is no answer of OpenStack')
      readDocument(each as Fields, cloud)
    }
  }
  return cloud
}

const readDocument = (fields: Fields, cloud: Cloud): void => {
  const { resources } = fields
  if (typeof resources === 'object' && resources !== null)
    return readTemplate(resources as Fields, cloud)
  const known = [
    'security_groups',
    'security_group',
    'security_group_rules',
    'security_group_rule',
    'ports',
    'port',
    'address_groups',
    'address_group',
  ]
  const isAnswer = known.some(
    key => key in fields && (key !== 'security_groups' || !('fixed_ips' in fields)),
  )
  if (isAnswer) {
    for (const each of [...listOf(fields.security_groups), ...listOf(fields.security_group)])
      readGroup(each as Fields, cloud)
    for (const each of [
      ...listOf(fields.security_group_rules),
      ...listOf(fields.security_group_rule),
    ])
      readRule(each as Fields, undefined, cloud)
    for (const each of [...listOf(fields.ports), ...listOf(fields.port)])
      readPort(each as Fields, cloud)
    for (const each of [...listOf(fields.address_groups), ...listOf(fields.address_group)])
      readAddressGroup(each as Fields, cloud)
    return
  }
  // A row of a list, or what "show" prints.
  if ('fixed_ips' in fields || 'Fixed IP Addresses' in fields) return readPort(fields, cloud)
  if ('IP Protocol' in fields || 'direction' in fields || 'Direction' in fields)
    return readRule(fields, undefined, cloud)
  if ('addresses' in fields || 'Addresses' in fields) return readAddressGroup(fields, cloud)
  if (('rules' in fields && 'id' in fields) || ('ID' in fields && 'Name' in fields))
    return readGroup(fields, cloud)
  throw new ImportError(
    `this is no security group, rule, port or address group: ${Object.keys(fields).join(', ')}`,
  )
}

const readGroup = (fields: Fields, cloud: Cloud): void => {
  const id = textOf(fields.id ?? fields.ID) ?? ''
  const name = textOf(fields.name ?? fields.Name) ?? id
  cloud.groups.set(id, {
    id,
    name,
    isStateful: fields.stateful !== false && fields.Stateful !== false,
  })
  for (const rule of [...listOf(fields.security_group_rules), ...listOf(fields.rules)])
    readRule(rule as Fields, id, cloud)
}

const readRule = (fields: Fields, group: string | undefined, cloud: Cloud): void => {
  const of = (...names: string[]) => {
    for (const name of names) if (textOf(fields[name]) !== undefined) return textOf(fields[name])
    return undefined
  }
  const home = group ?? of('security_group_id', 'Security Group')
  if (home === undefined) throw new ImportError('a rule does not say of which group it is')
  const id = of('id', 'ID') ?? `${home}-${cloud.rules.size + 1}`
  const direction = of('direction', 'Direction')?.toLowerCase()
  if (direction !== 'ingress' && direction !== 'egress')
    throw new ImportError(`rule ${id}: "${direction}" is no direction`)
  const range = /^(\d+)?:(\d+)?$/.exec(of('Port Range') ?? '')
  const isTyped = /type=(\d+)(?::code=(\d+))?/.exec(of('Port Range') ?? '')
  const number = (value: string | undefined) => (value === undefined ? undefined : Number(value))
  const ethertype = of('ethertype', 'Ethertype') ?? 'IPv4'
  if (ethertype !== 'IPv4' && ethertype !== 'IPv6')
    throw new ImportError(`rule ${id}: "${ethertype}" is no Ethernet type`)
  cloud.rules.set(id, {
    id,
    group: home,
    direction,
    version: ethertype === 'IPv6' ? 6 : 4,
    protocol: of('protocol', 'IP Protocol')?.toLowerCase(),
    least: number(of('port_range_min') ?? range?.[1] ?? isTyped?.[1]),
    most: number(of('port_range_max') ?? range?.[2] ?? isTyped?.[2]),
    prefix: of('remote_ip_prefix', 'IP Range'),
    remoteGroup: of('remote_group_id', 'Remote Security Group'),
    addressGroup: of('remote_address_group_id', 'Remote Address Group'),
  })
}

const readPort = (fields: Fields, cloud: Cloud): void => {
  const addressesIn = (value: unknown) =>
    listOf(value).flatMap(each => {
      const text = typeof each === 'string' ? each : textOf((each as Fields).ip_address)
      if (text === undefined) return []
      // Older clients print fields in one text.
      const found = /ip_address='([^']*)'/.exec(text)?.[1] ?? text
      if (parseCidr(found) === undefined) throw new ImportError(`a port: "${found}" is no address`)
      return [found]
    })
  const fixed = addressesIn(fields.fixed_ips ?? fields['Fixed IP Addresses'])
  const pairs = addressesIn(fields.allowed_address_pairs ?? fields['Allowed Address Pairs'])
  const groups = listOf(
    fields.security_groups ?? fields.security_group_ids ?? fields['Security Groups'],
  ).map(String)
  cloud.ports.push({ fixed, pairs, groups, isGuarded: fields.port_security_enabled !== false })
}

const readAddressGroup = (fields: Fields, cloud: Cloud): void => {
  const addresses = listOf(fields.addresses ?? fields.Addresses).map(String)
  cloud.addressGroups.set(textOf(fields.id ?? fields.ID) ?? '', addresses)
}

/** Heat: resources by name, which name one another by get_resource. */
const readTemplate = (resources: Fields, cloud: Cloud): void => {
  const plain = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(plain)
    if (typeof value !== 'object' || value === null) return value
    const { get_resource: named, get_param: parameter, get_attr: attribute } = value as Fields
    if (named !== undefined) return named
    if (parameter !== undefined || attribute !== undefined)
      throw new ImportError(
        `a template with ${JSON.stringify(value)}: the value is not in it; export the groups instead`,
      )
    return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, plain(each)]))
  }
  for (const [name, resource] of Object.entries(resources)) {
    const { type, properties } = resource as { type?: string; properties?: Fields }
    const of = (): Fields => plain(properties ?? {}) as Fields
    if (type === 'OS::Neutron::SecurityGroup') {
      const group = of()
      cloud.groups.set(name, { id: name, name: textOf(group.name) ?? name, isStateful: true })
      for (const each of listOf(group.rules)) {
        const rule = each as Fields
        const isRemote = rule.remote_mode === 'remote_group_id'
        readRule(
          {
            direction: 'ingress',
            ...rule,
            ...(isRemote && { remote_group_id: rule.remote_group_id ?? name }),
          },
          name,
          cloud,
        )
      }
      // Neutron gives every group these two unless they are taken away.
      for (const ethertype of ['IPv4', 'IPv6'])
        if (!listOf(group.rules).some(each => (each as Fields).direction === 'egress'))
          readRule({ direction: 'egress', ethertype }, name, cloud)
    } else if (type === 'OS::Neutron::SecurityGroupRule') {
      const { security_group: home, ...rule } = of()
      readRule({ ...rule, remote_group_id: rule.remote_group }, textOf(home), cloud)
    } else if (type === 'OS::Neutron::Port') readPort(of(), cloud)
  }
}

/** A port with what is its own, for rules that know addresses. */
interface Known extends Port {
  readonly addresses: readonly string[]
}

const knownPorts = (
  ports: readonly Port[],
  writer: RuleWriter,
): { readonly known: Known[]; readonly shared: string[] } => {
  const claims = ports.map(({ fixed, pairs, groups, isGuarded }) => ({
    fixed,
    pairs,
    rights: `${isGuarded ? '' : 'no port security '}${[...groups].sort().join()}`,
  }))
  const owned = ownersOf(claims)
  // Where one of them is restricted, both are.
  const shared = members(union(owned.map(each => each.shared)))
  if (shared.length > 0)
    writer.loss(
      { line: 0 },
      'closed',
      `ports with different groups share ${shared.join(', ')}, and rules here know addresses only`,
    )
  const known = ports.map((port, at) => ({ ...port, addresses: members(owned[at]!.addresses) }))
  return { known, shared }
}

const selectedOf = (cloud: Cloud, writer: RuleWriter): Selected[] => {
  const { known: ports, shared } = knownPorts(cloud.ports, writer)
  const guarded = ports.filter(port => port.isGuarded)
  for (const port of ports)
    if (!port.isGuarded)
      writer.info(
        { line: 0 },
        `the port with ${port.fixed.join(', ')} has no port security: it is not restricted`,
      )
  const known = new Set([
    ...cloud.groups.keys(),
    ...[...cloud.rules.values()].map(({ group }) => group),
  ])
  const selected = [...known].map(id => {
    const group = cloud.groups.get(id) ?? { id, name: id, isStateful: true }
    if (!group.isStateful)
      writer.loss(
        { line: 0, path: `group ${group.name}` },
        'left out',
        'it is stateless: here answers pass with their connection',
      )
    const own = guarded.filter(port => port.groups.includes(id)).flatMap(port => port.addresses)
    if (own.length === 0)
      writer.info({ line: 0, path: `group ${group.name}` }, 'no port that is listed has it')
    const of = (direction: Rule['direction']) => allowedBy(group, direction, cloud, ports, writer)
    return {
      name: group.name,
      members: [...new Set(own)],
      ingress: of('ingress'),
      egress: of('egress'),
    }
  })
  const lone = guarded.filter(port => !port.groups.some(id => known.has(id)))
  for (const port of lone)
    if (port.groups.length > 0)
      writer.loss(
        { line: 0 },
        'closed',
        `the groups of the port with ${port.fixed.join(', ')} are not in the file: ${port.groups.join(', ')}`,
      )
  const closed = [...lone.flatMap(port => port.addresses), ...shared]
  // Neutron lets nothing through at a port without a group.
  return closed.length === 0
    ? selected
    : [...selected, { name: 'without-group', members: closed, ingress: [], egress: [] }]
}

const allowedBy = (
  group: Group,
  direction: Rule['direction'],
  cloud: Cloud,
  ports: readonly Known[],
  writer: RuleWriter,
): Allowed[] =>
  [...cloud.rules.values()]
    .filter(rule => rule.group === group.id && rule.direction === direction)
    .flatMap((rule, index) => {
      const place = { line: 0, path: `group ${group.name}, rule ${rule.id}` }
      const services = servicesOf(rule)
      if (services === undefined) {
        writer.loss(place, 'left out', `its protocol or ports cannot be said here`)
        return []
      }
      writer.take(`0 ${place.path}`)
      return [
        {
          name: `${group.name}-${direction}-${index + 1}`,
          services,
          peers: peersOf(rule, cloud, ports),
        },
      ]
    })

/** @throws {ImportError} when it names a group that is not in the file */
const peersOf = (rule: Rule, cloud: Cloud, ports: readonly Known[]): string[] => {
  const isOfVersion = (address: string) => address.includes(':') === (rule.version === 6)
  if (rule.remoteGroup !== undefined) {
    const isKnown =
      cloud.groups.has(rule.remoteGroup) ||
      cloud.ports.some(port => port.groups.includes(rule.remoteGroup!))
    if (!isKnown)
      throw new ImportError(`rule ${rule.id}: the group ${rule.remoteGroup} is not in the file`)
    return ports
      .filter(port => port.groups.includes(rule.remoteGroup!))
      .flatMap(port => port.addresses)
      .filter(isOfVersion)
  }
  if (rule.addressGroup !== undefined) {
    const addresses = cloud.addressGroups.get(rule.addressGroup)
    if (addresses === undefined)
      throw new ImportError(
        `rule ${rule.id}: the address group ${rule.addressGroup} is not in the file`,
      )
    return addresses.filter(isOfVersion)
  }
  if (rule.prefix !== undefined) return isOfVersion(rule.prefix) ? [rule.prefix] : []
  return [rule.version === 6 ? '::/0' : '0.0.0.0/0']
}

const transports: Readonly<Record<number, string>> = { 6: 'tcp', 17: 'udp', 132: 'sctp' }

const servicesOf = ({ protocol, version, least, most }: Rule): string | undefined => {
  if (protocol === undefined || protocol === 'any' || protocol === '0') return 'any'
  const isIcmp6 = ['icmpv6', 'ipv6-icmp', '58'].includes(protocol)
  if (isIcmp6 || protocol === 'icmp' || protocol === '1') {
    // "icmp" is ICMPv6 with IPv6; the other way round Neutron refuses it.
    if (isIcmp6 && version === 4) return undefined
    const kind = version === 6 ? 'icmp6' : 'icmp'
    // For ICMP the range holds type and code.
    return least === undefined ? kind : `${kind} ${least}${most === undefined ? '' : `/${most}`}`
  }
  const number = protocolNumber(protocol)
  if (number === undefined) return undefined
  const transport = transports[number]
  if (least === undefined && most === undefined) return transport ?? `proto ${number}`
  if (transport === undefined || least === undefined || !most) return undefined
  return `${transport} ${Math.max(least, 1)}${most === least ? '' : `-${most}`}`
}
