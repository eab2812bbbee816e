/** What a Switch object says: one Open vSwitch, reached by its OVSDB, and what is to be set up in it. */
import Type, { type Static } from 'typebox'
import type { Complaint } from '../../base/kind.js'
import { isLoopback } from '../../base/places.js'
import { addressForms, parseAddress } from '../../ovsdb/address.js'

const text = (maxLength: number, description: string, pattern?: string) =>
  Type.String({
    minLength: 1,
    maxLength,
    description,
    ...(pattern !== undefined && { pattern, title: forms[pattern] ?? description }),
  })

const map = <T extends Type.TSchema>(pattern: string, value: T, description: string) =>
  Type.Record(Type.String({ pattern }), value, {
    additionalProperties: false,
    title: forms[pattern] ?? description,
    description,
  })

/** What a pattern takes, in words. */
const forms: Readonly<Record<string, string>> = {
  '^[A-Za-z0-9_.@:-]{1,15}$': 'device names of 1 to 15 letters, digits and "_.@:-"',
  '^[A-Za-z0-9_][A-Za-z0-9_.-]{0,62}$': 'names of up to 63 letters, digits and "_.-"',
  '^(0|[1-9][0-9]{0,8})$': 'numbers of queues',
  '^[a-z][a-z0-9_]{0,30}$': 'states, such as udp_first or tcp_established',
  '^(system|netdev)$': 'system and netdev',
  '^(0|[1-9][0-9]{0,4})$': 'numbers of zones',
  '^(tcp|ssl|ptcp|pssl|unix|punix):[^\\s]+$':
    'an address of a controller, such as tcp:127.0.0.1:6653',
  '^[A-Za-z0-9-]+$': 'letters, digits and dashes, such as linux-htb',
}

const closed = { additionalProperties: false }
const oneOf = <const T extends readonly string[]>(values: T, description: string) =>
  Type.Enum([...values] as { -readonly [K in keyof T]: T[K] }, { description })

/** Keys and values as Open vSwitch documents them for the column. */
const config = (column: string) =>
  Type.Record(Type.String({ pattern: '^[^\\u0000]{1,255}$' }), Type.String({ maxLength: 4_096 }), {
    description: `pairs of ${column}, as ovs-vswitchd.conf.db(5) lists them; other pairs are left alone`,
  })

/** A name that the kernel takes for an interface. */
const deviceName = '^[A-Za-z0-9_.@:-]{1,15}$'
const objectName = '^[A-Za-z0-9_][A-Za-z0-9_.-]{0,62}$'

const port = Type.Object(
  {
    type: Type.Optional(
      oneOf(
        ['system', 'internal', 'patch', 'vxlan', 'geneve'],
        'system: a device that exists (the default)',
      ),
    ),
    options: Type.Optional(config('Interface.options')),
    ofport: Type.Optional(
      Type.Integer({ minimum: 1, maximum: 65_279, description: 'the OpenFlow number asked for' }),
    ),
    mtu: Type.Optional(Type.Integer({ minimum: 68, maximum: 65_535, description: 'octets' })),
    qos: Type.Optional(text(63, 'a name under qos', objectName)),
    otherConfig: Type.Optional(config('Port.other_config')),
  },
  closed,
)

const mirror = Type.Object(
  {
    all: Type.Optional(Type.Boolean({ description: 'every packet of the bridge' })),
    from: Type.Optional(
      Type.Array(text(15, 'a port', deviceName), {
        maxItems: 1_000,
        description: 'ports whose arriving packets are copied',
      }),
    ),
    to: Type.Optional(
      Type.Array(text(15, 'a port', deviceName), {
        maxItems: 1_000,
        description: 'ports whose leaving packets are copied',
      }),
    ),
    output: text(15, 'the port that the copies leave by', deviceName),
    snaplen: Type.Optional(
      Type.Integer({ minimum: 14, maximum: 65_535, description: 'octets of each copy' }),
    ),
  },
  closed,
)

const bridge = Type.Object(
  {
    datapathId: Type.Optional(text(16, '16 hex digits', '^[0-9a-f]{16}$')),
    datapathType: Type.Optional(oneOf(['system', 'netdev'], 'netdev: in userspace')),
    failMode: Type.Optional(
      oneOf(['secure', 'standalone'], 'set only where it differs: setting it wipes the flows'),
    ),
    protocols: Type.Optional(
      Type.Array(
        oneOf(
          ['OpenFlow10', 'OpenFlow11', 'OpenFlow12', 'OpenFlow13', 'OpenFlow14', 'OpenFlow15'],
          'a version of OpenFlow',
        ),
        { minItems: 1, maxItems: 6, uniqueItems: true },
      ),
    ),
    controllers: Type.Optional(
      Type.Array(
        text(256, 'such as tcp:127.0.0.1:6653', '^(tcp|ssl|ptcp|pssl|unix|punix):[^\\s]+$'),
        { maxItems: 16, uniqueItems: true },
      ),
    ),
    otherConfig: Type.Optional(config('Bridge.other_config')),
    ports: Type.Optional(map(deviceName, port, 'ports by name')),
    mirrors: Type.Optional(map(objectName, mirror, 'mirrors by name')),
  },
  closed,
)

const queue = Type.Object(
  {
    dscp: Type.Optional(Type.Integer({ minimum: 0, maximum: 63 })),
    otherConfig: Type.Optional(config('Queue.other_config')),
  },
  closed,
)

const qos = Type.Object(
  {
    type: text(63, 'such as linux-htb', '^[A-Za-z0-9-]+$'),
    otherConfig: Type.Optional(config('QoS.other_config')),
    queues: Type.Optional(map('^(0|[1-9][0-9]{0,8})$', queue, 'queues by number')),
  },
  closed,
)

const zone = Type.Object(
  {
    timeouts: Type.Optional(
      map(
        '^[a-z][a-z0-9_]{0,30}$',
        Type.Integer({ minimum: 0, maximum: 4_294_967_295, description: 'seconds' }),
        'by state, such as udp_first or tcp_established',
      ),
    ),
    limit: Type.Optional(
      Type.Integer({
        minimum: 0,
        maximum: 4_294_967_295,
        description: 'connections; Open vSwitch 3.3 and newer',
      }),
    ),
  },
  closed,
)

const ovsdb = Type.Object(
  {
    address: text(4_096, addressForms),
    systemId: Type.Optional(
      text(255, 'which switch, where several call one address: its external_ids:system-id'),
    ),
    key: Type.Optional(text(4_096, 'PEM file of our private key')),
    certificate: Type.Optional(text(4_096, 'PEM file of our certificate')),
    authority: Type.Optional(text(4_096, 'PEM file of the authority of its certificate')),
    allowPlaintext: Type.Optional(
      Type.Boolean({ description: 'permits tcp: to another machine, unprotected' }),
    ),
  },
  closed,
)

export const switchSpec = Type.Object(
  {
    ovsdb,
    bridges: Type.Optional(map(deviceName, bridge, 'bridges by name')),
    qos: Type.Optional(map(objectName, qos, 'QoS by a name that ports refer to')),
    conntrack: Type.Optional(
      map(
        '^(system|netdev)$',
        map('^(0|[1-9][0-9]{0,4})$', zone, 'zones by number'),
        'connection tracking by datapath type',
      ),
    ),
  },
  closed,
)

export type SwitchSpec = Static<typeof switchSpec>
export type BridgeSpec = Static<typeof bridge>
export type PortSpec = Static<typeof port>
export type MirrorSpec = Static<typeof mirror>
export type QosSpec = Static<typeof qos>
export type ZoneSpec = Static<typeof zone>
export type OvsdbSpec = Static<typeof ovsdb>

/** What a schema cannot say. */
export const checkSwitch = (spec: SwitchSpec): Complaint[] => [
  ...checkAddress(spec.ovsdb),
  ...Object.entries(spec.bridges ?? {}).flatMap(([name, each]) => checkBridge(spec, name, each)),
  ...checkNames(spec),
  ...Object.entries(spec.conntrack ?? {}).flatMap(([type, zones]) =>
    Object.keys(zones)
      .filter(zone => Number(zone) > 65_535)
      .map(zone => ({ path: ['conntrack', type, zone], message: 'a zone is 0 to 65535' })),
  ),
]

const checkAddress = (spec: OvsdbSpec): Complaint[] => {
  const address = parseAddress(spec.address)
  const path = ['ovsdb', 'address']
  if (address === undefined)
    return [{ path, message: `"${spec.address}" is no address; write ${addressForms}` }]
  if (spec.systemId !== undefined && !address.isPassive)
    return [{ path: ['ovsdb', 'systemId'], message: 'only for addresses that switches call' }]
  if ('path' in address.at) return []
  if (address.isTls) {
    const missing = (['key', 'certificate', 'authority'] as const).filter(
      name => spec[name] === undefined,
    )
    return missing.length === 0
      ? []
      : [{ path: ['ovsdb'], message: `TLS needs ${missing.join(', ')} as well` }]
  }
  if (isLoopback(address.at.host) || spec.allowPlaintext) return []
  return [
    {
      path,
      message: `${spec.address} would go unprotected to another machine; use ssl:, or say allowPlaintext: true`,
    },
  ]
}

const checkBridge = (spec: SwitchSpec, name: string, each: BridgeSpec): Complaint[] => {
  const complaints: Complaint[] = []
  const at = (...path: string[]) => ['bridges', name, ...path]
  if (each.datapathId !== undefined && /^(0{16}|f{16})$/.test(each.datapathId))
    complaints.push({ path: at('datapathId'), message: 'all zeros and all ones are reserved' })
  for (const [portName, { type, options, qos: qosName }] of Object.entries(each.ports ?? {})) {
    const needed = type === 'patch' ? 'peer' : type && tunnels.includes(type) ? 'remote_ip' : ''
    if (needed !== '' && options?.[needed] === undefined)
      complaints.push({
        path: at('ports', portName),
        message: `a ${type} port needs options: {${needed}: ...}`,
      })
    if (qosName !== undefined && spec.qos?.[qosName] === undefined)
      complaints.push({
        path: at('ports', portName, 'qos'),
        message: `there is no ${qosName} under qos`,
      })
  }
  for (const [mirrorName, { all, from, to }] of Object.entries(each.mirrors ?? {}))
    if (!all && (from ?? []).length + (to ?? []).length === 0)
      complaints.push({
        path: at('mirrors', mirrorName),
        message: 'it copies nothing: say all: true, or ports in from or to',
      })
  return complaints
}

const tunnels: readonly string[] = ['vxlan', 'geneve']

/** Names of ports are one space for the whole database, with the bridges themselves among them. */
const checkNames = (spec: SwitchSpec): Complaint[] => {
  const homes = new Map(Object.keys(spec.bridges ?? {}).map(name => [name, name]))
  const complaints: Complaint[] = []
  for (const [name, each] of Object.entries(spec.bridges ?? {}))
    for (const portName of Object.keys(each.ports ?? {})) {
      const home = homes.get(portName)
      if (home !== undefined && home !== name)
        complaints.push({
          path: ['bridges', name, 'ports', portName],
          message: `${portName} is already on bridge ${home}`,
        })
      homes.set(portName, name)
    }
  return complaints
}
