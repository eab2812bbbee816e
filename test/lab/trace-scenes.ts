/** Networks in which `sluice trace` is held against packets. */
import type { HostSpec, LabSpec } from '../../src/lab/lab-spec.js'
import { readLab } from '../../src/lab/spec.js'

export interface Scene {
  readonly spec: LabSpec
  /** Hosts on an unmanaged switch, which stands in the place of their cables: each of them has its own to that switch. */
  readonly unmanaged: readonly string[]
  /** By IP version and network: the MAC that hosts have for their gateway; the others have nobody to ask. */
  readonly gateways: Readonly<Record<4 | 6, Readonly<Record<string, string>>>>
  /** By network: how addresses begin that its hosts ask for themselves, since a router says that they are near. */
  readonly near?: Readonly<Record<string, string>>
}

/** Of the host `gw`, a router of somebody else. */
const gatewayMac = '02:00:00:00:01:06'
const routerMac = '02:00:00:00:00:fe'

const hosts = `  anna: { at: s1:1, ips: [10.10.0.1/8, 'fd00::10:1/64'] }
  carl: { at: s1:2, ips: [10.20.0.1/8, 'fd00::20:1/64'] }
  guest: { at: s1:3, ips: [10.0.0.9/8, 'fd00::9/64'] }
  ben: { at: s2:1, ips: [10.10.0.2/8, 'fd00::10:2/64'] }
  printer: { at: s2:2, vlan: 200, ips: [10.20.0.50/8] }
  gw: { at: s2:3, ips: [10.0.0.1/8, 'fd00::1/64'] }
  dora: { at: s3:1, ips: [10.20.0.2/8, 'fd00::20:2/64'] }
  vera: { at: s3:2, ips: [10.0.0.5/8, 'fd00::5/64'] }
  tina: { at: s3:3, vlan: 10, ips: [10.10.0.3/8] }
`
const objects = (router: string) => `objects:
  - { kind: Network, name: staff, spec: { number: 10, access: [s1:1, s2:1], trunk: [{ port: s3:3, vlan: 10 }], subnets: [10.10.0.0/16] } }
  - { kind: Network, name: lab, spec: { number: 20, access: [s1:2, s3:1], trunk: [{ port: s2:2, vlan: 200 }] } }
  - { kind: Port, name: uplink, spec: { at: s2:3, serves: [router] } }
${router}steps:
  - try: { from: anna, to: ben, protocol: tcp, port: 80, expect: open }
`
const scene = (title: string, links: string, more = '', router = ''): LabSpec =>
  readLab(
    'trace',
    'trace.yaml',
    `title: ${title}
rules: trace.rules
switches: [s1, s2, s3]
links:
${links}hosts:
${hosts}${more}${objects(router)}`,
  )

/*
 *        anna, carl, guest                    staff: anna, ben, and tina by VLAN 10
 *               s1                            lab: carl, dora, and the printer by VLAN 200
 *             ╱    ╲                          the first network: the others; gw is a router
 *   ben,    s2 ──── s3    dora, vera,
 *   printer, gw           tina
 */
export const ring: Scene = {
  spec: scene(
    'A ring of three switches and three networks',
    `  - [s1:10, s2:10]
  - [s2:11, s3:11]
  - [s1:12, s3:12]
`,
  ),
  unmanaged: [],
  gateways: { 4: { default: gatewayMac }, 6: { default: gatewayMac } },
}

/*
 *   anna, carl, guest                         networks as above; mia and nils are in the first one
 *          s1 ── unmanaged ── s2 ──── s3
 *                 mia, nils   ben,    dora, vera,
 *                             printer, gw  tina
 */
export const segment: Scene = {
  spec: scene(
    'A switch that is not ours between two of ours, with hosts on it',
    '  - [s2:11, s3:11]\n',
    `  mia: { at: s1:9, ips: [10.0.0.21/8, 'fd00::21/64'] }
  nils: { at: s2:9, ips: [10.0.0.22/8, 'fd00::22/64'] }
`,
  ),
  unmanaged: ['mia', 'nils'],
  gateways: { 4: { default: gatewayMac }, 6: { default: gatewayMac } },
}

/** The ring, and a router of ours joins its networks: what is for everywhere else goes on to `gw`. */
export const routed: Scene = {
  spec: scene(
    'A ring of three switches, three networks and a router',
    `  - [s1:10, s2:10]
  - [s2:11, s3:11]
  - [s1:12, s3:12]
`,
    '',
    `  - kind: Router
    name: main
    spec:
      mac: ${routerMac}
      interfaces:
        - { network: staff, addresses: [10.10.0.254/16] }
        - { network: lab, addresses: [10.20.0.254/16] }
        - { network: default, addresses: [10.0.0.254/24] }
      routes: [{ to: 0.0.0.0/0, via: 10.0.0.1 }, { to: 203.0.113.0/24, blackhole: true }]
`,
  ),
  unmanaged: [],
  gateways: {
    4: { default: routerMac, staff: routerMac, lab: routerMac },
    6: { default: gatewayMac },
  },
  near: { default: '10.0.0.', staff: '10.10.', lab: '10.20.' },
}

/** A host at the port of a switch's own machine, which has the MAC. */
export const localHost = (at: string, mac: string): HostSpec => ({
  name: 'boss',
  at: { name: at, port: 0xfffffffe },
  mac,
  ips: ['10.0.0.30/8', 'fd00::30/64'],
  routes: [],
})

export const networkOf: Readonly<Record<string, string>> = {
  anna: 'staff',
  ben: 'staff',
  tina: 'staff',
  carl: 'lab',
  dora: 'lab',
  printer: 'lab',
  guest: 'default',
  gw: 'default',
  vera: 'default',
  mia: 'default',
  nils: 'default',
  boss: 'default',
}
