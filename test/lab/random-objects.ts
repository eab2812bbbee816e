/** Random NetworkPolicies with pods, security groups with ports, and ACLs of Faucet: small worlds, so that conditions meet. */
import type { Dice } from '../../src/lab/prove/probes.js'

type Maker = (dice: Dice) => string

const makersOf = (dice: Dice) => {
  const pick = <T>(list: readonly T[]): T => list[dice(list.length)]!
  const some = <T>(most: number, make: () => T): T[] => Array.from({ length: dice(most + 1) }, make)
  const maybe = <T extends object>(make: () => T): T | Record<string, never> =>
    dice(2) === 0 ? make() : {}
  return { pick, some, maybe }
}

const prefixes = [
  '10.0.0.0/24',
  '10.0.1.0/24',
  '10.0.0.4/30',
  '10.0.0.0/8',
  '0.0.0.0/0',
  '10.0.0.7/32',
]
const prefixes6 = ['fd00::/64', 'fd00::4/126', '::/0', 'fd00::7/128']

export const randomKubernetes: Maker = dice => {
  const { pick, some, maybe } = makersOf(dice)
  const namespaces = ['shop', 'lab']
  const label = () => ({ [pick(['app', 'tier'])]: pick(['a', 'b', 'c']) })
  const expression = () => {
    const operator = pick(['In', 'NotIn', 'Exists', 'DoesNotExist'])
    const values = operator.endsWith('In') ? { values: [pick(['a', 'b']), pick(['b', 'c'])] } : {}
    return { key: pick(['app', 'tier', 'team']), operator, ...values }
  }
  const selector = () => ({
    ...maybe(() => ({ matchLabels: label() })),
    ...(dice(4) === 0 ? { matchExpressions: some(2, expression) } : {}),
  })
  const peer = () =>
    dice(4) === 0
      ? {
          ipBlock: {
            cidr: pick(['10.0.0.0/24', '10.0.0.0/8', 'fd00::/64']),
            ...maybe(() => ({ except: [] })),
          },
        }
      : dice(3) === 0
        ? { ipBlock: { cidr: '10.0.0.0/8', except: ['10.0.0.0/30'] } }
        : pick([
            { podSelector: selector() },
            { namespaceSelector: selector() },
            { podSelector: selector(), namespaceSelector: selector() },
          ])
  const port = () =>
    pick([
      { port: 80 },
      { protocol: 'UDP', port: 53 },
      { protocol: 'TCP' },
      { port: 'web' },
      { protocol: 'UDP', port: 'web' },
      { port: 8000, endPort: 8010 },
      { protocol: 'SCTP', port: 80 },
    ])
  const rule = (way: string) => ({
    ...maybe(() => ({ [way]: some(2, peer) })),
    ...maybe(() => ({ ports: some(2, port) })),
  })
  const pods = Array.from({ length: 7 }, (_, at) => ({
    kind: 'Pod',
    apiVersion: 'v1',
    metadata: { name: `p${at}`, namespace: pick(namespaces), labels: { ...label(), ...label() } },
    spec: {
      ...(dice(6) === 0 ? { hostNetwork: true } : {}),
      containers: [
        {
          ports: [
            { name: 'web', containerPort: pick([80, 8080]), ...maybe(() => ({ protocol: 'UDP' })) },
          ],
        },
      ],
    },
    status: {
      phase: dice(7) === 0 ? 'Succeeded' : 'Running',
      podIPs: [{ ip: `10.0.0.${at + 1}` }, ...some(1, () => ({ ip: `fd00::${at + 1}` }))],
    },
  }))
  const policies = Array.from({ length: 1 + dice(4) }, (_, at) => ({
    kind: 'NetworkPolicy',
    apiVersion: 'networking.k8s.io/v1',
    metadata: { name: `n${at}`, namespace: pick(namespaces) },
    spec: {
      podSelector: selector(),
      ...maybe(() => ({ policyTypes: pick([['Ingress'], ['Egress'], ['Ingress', 'Egress'], []]) })),
      ...maybe(() => ({ ingress: some(2, () => rule('from')) })),
      ...maybe(() => ({ egress: some(2, () => rule('to')) })),
    },
  }))
  const spaces = namespaces.map(name => ({
    kind: 'Namespace',
    apiVersion: 'v1',
    metadata: { name, labels: { team: name, ...label() } },
  }))
  return JSON.stringify({ kind: 'List', items: [...spaces, ...pods, ...policies] }, null, 1)
}

/** Policies in tiers, around those of `randomKubernetes`. */
const inTiers = (dice: Dice, kind: 'admin' | 'antrea'): object[] => {
  const { pick, some, maybe } = makersOf(dice)
  const labels = () => ({ matchLabels: { [pick(['app', 'tier'])]: pick(['a', 'b', 'c']) } })
  const selector = () => pick([{}, labels()])
  const spaces = () => pick([{}, { matchLabels: { team: pick(['shop', 'lab']) } }])
  const pods = () => ({ podSelector: selector(), namespaceSelector: spaces() })
  const blocks = ['10.0.0.0/24', '10.0.0.4/30', 'fd00::/64']
  const apiVersion =
    kind === 'admin' ? 'policy.networking.k8s.io/v1alpha1' : 'crd.antrea.io/v1beta1'
  if (kind === 'admin') {
    const subject = () => pick([{ namespaces: spaces() }, { pods: pods() }])
    const port = () =>
      pick([
        { portNumber: { protocol: 'TCP', port: 80 } },
        { portRange: { protocol: 'UDP', start: 50, end: 60 } },
        { namedPort: 'web' },
      ])
    const rule = (way: string, actions: string[]) => ({
      action: pick(actions),
      [way]: [
        subject(),
        ...some(1, () => (way === 'to' ? { networks: [pick(blocks)] } : subject())),
      ],
      ...maybe(() => ({ ports: [port()] })),
    })
    const policy = (kind: string, at: number, actions: string[]) => ({
      kind,
      apiVersion,
      metadata: { name: kind === 'AdminNetworkPolicy' ? `a${at}` : 'default' },
      spec: {
        ...(kind === 'AdminNetworkPolicy' ? { priority: 100 - at } : {}),
        subject: subject(),
        ingress: some(2, () => rule('from', actions)),
        egress: some(2, () => rule('to', actions)),
      },
    })
    return [
      ...Array.from({ length: 1 + dice(3) }, (_, at) =>
        policy('AdminNetworkPolicy', at, ['Allow', 'Deny', 'Pass']),
      ),
      ...some(1, () => policy('BaselineAdminNetworkPolicy', 0, ['Allow', 'Deny'])),
    ]
  }
  const peer = (isOfCluster: boolean) =>
    pick<object>([
      pods(),
      { podSelector: selector() },
      { ipBlock: { cidr: pick(blocks) } },
      { group: isOfCluster ? 'g' : 'h' },
    ])
  const policy = (at: number) => {
    const isOfCluster = dice(2) === 0
    const tier = pick(['emergency', 'application', 'baseline', 'own'])
    const actions = ['Allow', 'Drop', 'Reject', ...(tier === 'baseline' ? [] : ['Pass'])]
    const rule = (way: string) => ({
      action: pick(actions),
      ...maybe(() => ({ [way]: [peer(isOfCluster)] })),
      ...maybe(() => ({
        ports: [
          pick([
            { protocol: 'TCP', port: 80 },
            { protocol: 'UDP', port: 50, endPort: 60 },
            { port: 'web' },
          ]),
        ],
      })),
    })
    return {
      kind: isOfCluster ? 'ClusterNetworkPolicy' : 'NetworkPolicy',
      apiVersion,
      metadata: { name: `t${at}`, ...(isOfCluster ? {} : { namespace: pick(['shop', 'lab']) }) },
      spec: {
        tier,
        priority: 10 - at,
        appliedTo: [isOfCluster ? pods() : { podSelector: selector() }],
        ingress: some(2, () => rule('from')),
        egress: some(2, () => rule('to')),
      },
    }
  }
  return [
    { kind: 'Tier', apiVersion, metadata: { name: 'own' }, spec: { priority: 120 } },
    { kind: 'ClusterGroup', apiVersion, metadata: { name: 'g' }, spec: { podSelector: labels() } },
    ...['shop', 'lab'].map(namespace => ({
      kind: 'Group',
      apiVersion,
      metadata: { name: 'h', namespace },
      spec: pick<object>([{ podSelector: labels() }, { ipBlocks: [{ cidr: pick(blocks) }] }]),
    })),
    ...Array.from({ length: 1 + dice(4) }, (_, at) => policy(at)),
  ]
}

/** Policies of Calico, in the tier `default` and one before it. */
const ofCalico = (dice: Dice): object[] => {
  const { pick, some, maybe } = makersOf(dice)
  const apiVersion = 'projectcalico.org/v3'
  const selector = () =>
    pick([
      'all()',
      "app == 'a'",
      "app != 'a'",
      'has(tier)',
      '!has(app)',
      "tier in {'a', 'b'}",
      "app not in {'c'} && has(app)",
      "app == 'b' || tier == 'c'",
    ])
  const spaces = () =>
    pick(['all()', "team == 'shop'", "projectcalico.org/name == 'lab'", 'global()'])
  const entity = (isDestination: boolean, hasPorts: boolean) => ({
    ...maybe(() => ({ selector: selector() })),
    ...(dice(5) === 0 ? { notSelector: "app == 'a'" } : {}),
    ...(dice(4) === 0 ? { namespaceSelector: spaces() } : {}),
    ...(dice(5) === 0 ? { nets: [pick(['10.0.0.0/24', '10.0.0.4/30', 'fd00::/64'])] } : {}),
    ...(dice(7) === 0 ? { notNets: ['10.0.0.0/30'] } : {}),
    ...(hasPorts && isDestination
      ? pick([{ ports: [80] }, { ports: ['web', '50:60'] }, { notPorts: [53] }, {}])
      : {}),
  })
  const rule = () => {
    const [protocol, hasPorts] = pick([
      [{ protocol: 'TCP' }, true],
      [{ protocol: 'UDP' }, true],
      [{ protocol: 'ICMP', icmp: { type: 8 } }, false],
      [{}, false],
      [{ notProtocol: 'TCP' }, false],
    ] as const)
    return {
      action: pick(['Allow', 'Allow', 'Deny', 'Pass', 'Log']),
      ...protocol,
      ...(dice(5) === 0 ? { ipVersion: pick([4, 6]) } : {}),
      source: entity(false, hasPorts),
      destination: entity(true, hasPorts),
    }
  }
  const policy = (at: number) => {
    const isGlobal = dice(2) === 0
    return {
      kind: isGlobal ? 'GlobalNetworkPolicy' : 'NetworkPolicy',
      apiVersion,
      metadata: { name: `c${at}`, ...(isGlobal ? {} : { namespace: pick(['shop', 'lab']) }) },
      spec: {
        ...pick([{}, { tier: 'early' }, { tier: 'default' }]),
        ...maybe(() => ({ order: pick([10, 100, 2_000]) })),
        ...maybe(() => ({ selector: selector() })),
        ...(isGlobal && dice(3) === 0 ? { namespaceSelector: "team == 'shop'" } : {}),
        ...maybe(() => ({ types: pick([['Ingress'], ['Egress'], ['Ingress', 'Egress']]) })),
        ...maybe(() => ({ ingress: some(3, rule) })),
        ...maybe(() => ({ egress: some(2, rule) })),
      },
    }
  }
  return [
    {
      kind: 'Tier',
      apiVersion,
      metadata: { name: 'early' },
      spec: { order: 10, ...maybe(() => ({ defaultAction: 'Pass' })) },
    },
    {
      kind: 'GlobalNetworkSet',
      apiVersion,
      metadata: { name: 's', labels: { app: 'a' } },
      spec: { nets: ['10.0.1.0/24'] },
    },
    {
      kind: 'NetworkSet',
      apiVersion,
      metadata: { name: 's', namespace: 'shop', labels: { tier: 'c' } },
      spec: { nets: ['10.0.2.0/24', '10.0.0.2/32'] },
    },
    ...Array.from({ length: 1 + dice(4) }, (_, at) => policy(at)),
  ]
}

export const randomCalico: Maker = dice => {
  const { items } = JSON.parse(randomKubernetes(dice)) as { items: object[] }
  return JSON.stringify({ kind: 'List', items: [...items, ...ofCalico(dice)] }, null, 1)
}

const withTiers =
  (kind: 'admin' | 'antrea'): Maker =>
  dice => {
    const { items } = JSON.parse(randomKubernetes(dice)) as { items: object[] }
    return JSON.stringify({ kind: 'List', items: [...items, ...inTiers(dice, kind)] }, null, 1)
  }

export const randomAdmin = withTiers('admin')
export const randomAntrea = withTiers('antrea')

export const randomOpenstack: Maker = dice => {
  const { pick, some } = makersOf(dice)
  const groups = ['g1', 'g2', 'g3']
  const rule = () => {
    const isSix = dice(3) === 0
    const protocol = pick([null, 'tcp', 'udp', 'icmp', 'sctp', '47', 'any', 6])
    const range =
      protocol === 'icmp'
        ? pick([
            {},
            { port_range_min: isSix ? 128 : 8, port_range_max: 0 },
            { port_range_min: isSix ? 128 : 8 },
          ])
        : ['tcp', 'udp', 'sctp', 6].includes(protocol ?? '')
          ? pick([
              {},
              { port_range_min: 80, port_range_max: 80 },
              { port_range_min: 8000, port_range_max: 8010 },
            ])
          : {}
    return {
      direction: pick(['ingress', 'egress']),
      ethertype: isSix ? 'IPv6' : 'IPv4',
      protocol,
      ...range,
      ...pick([
        {},
        { remote_ip_prefix: pick(isSix ? prefixes6 : prefixes) },
        { remote_group_id: pick(groups) },
        { remote_address_group_id: 'a1' },
      ]),
    }
  }
  const security_groups = groups.map(id => ({ id, name: id, security_group_rules: some(4, rule) }))
  const ports = Array.from({ length: 6 }, (_, at) => ({
    fixed_ips: [
      // Now and then two projects have the same address.
      { ip_address: `10.0.0.${dice(40) === 0 ? 1 : at + 1}` },
      ...some(1, () => ({ ip_address: `fd00::${at + 1}` })),
    ],
    allowed_address_pairs: some(dice(6) === 0 ? 1 : 0, () => ({
      ip_address: pick(['10.0.0.4/30', '10.0.0.100', '10.0.1.0/24']),
    })),
    security_groups: some(2, () => pick(groups)),
    port_security_enabled: dice(8) !== 0,
  }))
  const address_groups = [{ id: 'a1', addresses: ['10.0.0.0/29', 'fd00::/126'] }]
  return JSON.stringify({ security_groups, ports, address_groups }, null, 1)
}

export const randomFaucet: Maker = dice => {
  const { pick, maybe } = makersOf(dice)
  const rule = () => {
    const isSix = dice(3) === 0
    const place = (end: string) => ({
      [`ipv${isSix ? 6 : 4}_${end}`]: isSix
        ? pick(['fd77:1::/64', 'fd77:2::1', 'fd77::/16'])
        : pick(['10.77.1.0/24', '10.77.2.1', '10.77.0.0/255.255.0.0']),
    })
    const service = pick([
      {},
      { nw_proto: 6, tcp_dst: pick([80, 443, '8000/0xfff0']) },
      { ip_proto: 17, udp_dst: 53 },
      { nw_proto: 6 },
      isSix ? { nw_proto: 58, icmpv6_type: 128 } : { ip_proto: 1, icmpv4_type: 8 },
      { nw_proto: 17, udp_src: 123, udp_dst: 123 },
    ])
    const match = {
      dl_type: isSix ? 0x86dd : 0x800,
      ...maybe(() => place('src')),
      ...maybe(() => place('dst')),
      ...service,
    }
    const actions = pick([
      { allow: 1 },
      { allow: 0 },
      { allow: true },
      { allow: 1, mirror: 9 },
      { mirror: 9 },
    ])
    return { rule: { ...pick([match, match, match, {}]), actions } }
  }
  const names = ['one', 'two', 'three', 'four']
  const acls = Object.fromEntries(
    names.map(name => [name, Array.from({ length: 1 + dice(4) }, rule)]),
  )
  const vlans = {
    office: {
      vid: 100,
      ...maybe(() => ({ acl_in: pick(names) })),
      ...maybe(() => ({ acls_out: [pick(names)] })),
    },
    guests: { vid: 200, ...maybe(() => ({ acls_in: [pick(names)] })) },
  }
  const interfaces = Object.fromEntries(
    [1, 2, 3].map(number => [
      number,
      {
        native_vlan: pick(['office', 'guests']),
        ...pick([{}, { acl_in: pick(names) }, { acls_in: [pick(names), pick(names)] }]),
      },
    ]),
  )
  return JSON.stringify({ acls, vlans, dps: { s1: { dp_id: 1, interfaces } } }, null, 1)
}
