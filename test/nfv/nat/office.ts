/** A router with a way out, on simulated switches: an office, servers, and somebody outside. */
import type { Ip, Ipv4, Ipv6 } from '../../../src/base/addresses.js'
import type { ConnectError } from '../../../src/sim/host.js'
import type { NetworkSpec } from '../../../src/sim/network.js'
import { firewallOf } from '../../firewall-of.js'
import { end, switchNames, Whole } from '../../topology/whole.js'

export const v4 = (text: string) => text as Ipv4
export const v6 = (text: string) => text as Ipv6

/** Ann and web at s1, bob and db at s2; the uplink, to somebody outside, at s2. */
const network: NetworkSpec = {
  switches: switchNames(2),
  hosts: [
    { name: 'ann', at: end('s1', 10), ip: v4('10.1.0.1'), ipv6: v6('fd00:1::1') },
    { name: 'bob', at: end('s2', 10), ip: v4('10.1.0.2'), ipv6: v6('fd00:1::2') },
    { name: 'web', at: end('s1', 11), ip: v4('10.2.0.1'), ipv6: v6('fd00:2::1') },
    { name: 'db', at: end('s2', 11), ip: v4('10.2.0.2'), ipv6: v6('fd00:2::2') },
    { name: 'out', at: end('s2', 12), ip: v4('203.0.113.1'), ipv6: v6('2001:db8::1') },
  ].map(host => {
    const number = host.ip.split('.')[1]
    const isOut = host.name === 'out'
    return {
      ...host,
      prefixLength: 24,
      prefixLengthIpv6: 64,
      gateway: v4(isOut ? '203.0.113.10' : `10.${number}.0.254`),
      gatewayIpv6: v6(isOut ? '2001:db8::10' : `fd00:${number}::fe`),
    }
  }),
  links: [{ a: end('s1', 1), b: end('s2', 1) }],
}

export const startOffice = async (rules: string): Promise<Whole> => {
  const whole = await Whole.start(network)
  const { topology } = whole.controller
  const [s1, s2] = switchNames(2).map(({ dpid }) => dpid)
  topology.declareNetworks([
    { number: 1, name: 'default' },
    {
      number: 2,
      name: 'servers',
      ports: [{ at: { dpid: s1!, port: 11 } }, { at: { dpid: s2!, port: 11 } }],
    },
    { number: 9, name: 'wan', ports: [{ at: { dpid: s2!, port: 12 } }] },
  ])
  topology.declarePorts(new Map([[`${s2}/12`, { role: 'uplink' }]]))
  whole.controller.declare('Router', [
    {
      name: 'main',
      spec: {
        interfaces: [
          { network: 'default', addresses: ['10.1.0.254/24', 'fd00:1::fe/64'] },
          { network: 'servers', addresses: ['10.2.0.254/24', 'fd00:2::fe/64'] },
          { network: 'wan', addresses: ['203.0.113.10/24', '2001:db8::10/64'] },
        ],
        routes: [
          { to: '0.0.0.0/0', via: '203.0.113.1' },
          { to: '::/0', via: '2001:db8::1' },
        ],
      },
    },
  ])
  await apply(whole, rules)
  for (const name of ['ann', 'bob', 'web', 'db', 'out'])
    await whole.during(
      whole.host(name).ping(v4(name === 'out' ? '203.0.113.10' : '10.1.0.254'), {
        timeoutMillis: 1_000,
      }),
    )
  return whole
}

export const apply = async (whole: Whole, rules: string): Promise<void> => {
  const { controller } = whole
  await whole.during(
    firewallOf(controller).policies.apply(
      [{ name: 'p', order: 100, source: rules }],
      controller.topology.current,
    ),
  )
  await whole.env.advance(500)
}

/** How a connection ends: `open`, `refused`, `silent`. */
export const connect = (
  whole: Whole,
  from: string,
  to: string,
  port: number,
  options: object = {},
): Promise<string> =>
  whole.during(
    whole
      .host(from)
      .connect(to as Ip, port, options)
      .then(
        () => 'open',
        (error: ConnectError) => error.end,
      ),
  )
