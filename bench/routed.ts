/**
 * What routing in the switch costs: iperf3 TCP and new TCP connections a second between two namespaces at one Open
 * vSwitch, in one network and between two that a router joins, in turns; medians count. Needs root and iperf3; every load ends by itself.
 *
 *     npm run bench -- routed [ROUNDS] [SECONDS] [policy]      default 5 rounds of 2 s; policy: under 100 rules
 */
import { sh, sleep, start } from '../src/lab/shell.js'
import { type OvsNetwork, withOvs } from '../test/topology/ovs/rig.js'
import { median } from './program.js'

const network = `title: Three hosts at one switch
switches: [s1]
hosts:
  a: { at: s1:1, ips: [10.1.0.1/24], routes: [default via 10.1.0.254] }
  b: { at: s1:2, ips: [10.1.0.2/24], routes: [default via 10.1.0.254] }
  w: { at: s1:3, ips: [10.2.0.1/24], routes: [default via 10.2.0.254] }
objects:
  - { kind: Network, name: staff, spec: { number: 10, access: [s1:1, s1:2] } }
  - { kind: Network, name: servers, spec: { number: 20, access: [s1:3] } }
  - { kind: Router, name: main, spec: { interfaces: [{ network: staff, addresses: [10.1.0.254/24] }, { network: servers, addresses: [10.2.0.254/24] }] } }
`
const iperfPort = 5201
const connectPort = 5202
const script = new URL('../../bench/connections.py', import.meta.url).pathname
const ways = [
  { name: 'bridged', to: 'b', ip: '10.1.0.2' },
  { name: 'routed', to: 'w', ip: '10.2.0.1' },
] as const

const rules = `default drop\n${Array.from({ length: 99 }, (_, at) => `r${at}: allow tcp ${at + 1} from 10.1.0.0/24\n`).join('')}high: allow tcp 5000-6000 from 10.1.0.0/24\nping: allow icmp from any to any\n`

export const run = async (words: readonly string[]): Promise<void> => {
  const [rounds = 5, seconds = 2] = words.filter(word => /^\d+$/.test(word)).map(Number)
  await withOvs(network, async net => {
    if (words.includes('policy'))
      await net.controller.send('PUT', '/api/v1/policies/bench?wait=installed', { source: rules })
    await measure(net, rounds, seconds)
  })
}

const measure = async ({ stage }: OvsNetwork, rounds: number, seconds: number): Promise<void> => {
  const inHost = (name: string) => ['netns', 'exec', stage.rig.hostNamespace(name)]
  const children = ways.flatMap(({ to }) => [
    start('ip', [...inHost(to), 'iperf3', '-s', '-p', `${iperfPort}`]),
    start('ip', [...inHost(to), 'python3', script, 'serve', `${connectPort}`]),
  ])
  try {
    await sleep(1_000)
    const found = ways.map(({ name }) => ({
      name,
      mbps: [] as number[],
      connections: [] as number[],
    }))
    for (let round = 0; round < rounds; round++)
      for (const [at, { ip }] of ways.entries()) {
        const client = inHost('a')
        const text = await sh(
          'ip',
          ...client,
          'iperf3',
          '-c',
          ip,
          '-p',
          `${iperfPort}`,
          '-t',
          `${seconds}`,
          '-J',
        )
        const { end } = JSON.parse(text) as { end: { sum_received: { bits_per_second: number } } }
        found[at]!.mbps.push(end.sum_received.bits_per_second / 1e6)
        const opened = await sh(
          'ip',
          ...client,
          'python3',
          script,
          'open',
          ip,
          `${connectPort}`,
          `${seconds}`,
        )
        found[at]!.connections.push(Number(/\d+/.exec(opened)?.[0]) / seconds)
      }
    for (const { name, mbps, connections } of found)
      process.stdout.write(
        `${name.padEnd(8)} ${median(mbps).toFixed(0)} Mb/s  ${median(connections).toFixed(0)} connections/s\n`,
      )
    const [bridged, routed] = found
    process.stdout.write(
      `routed/bridged: TCP ${(median(routed!.mbps) / median(bridged!.mbps)).toFixed(2)}, connections ${(median(routed!.connections) / median(bridged!.connections)).toFixed(2)}\n`,
    )
  } finally {
    for (const child of children) child.kill()
  }
}
