/**
 * What the firewall costs: iperf3 TCP and new TCP connections a second between two namespaces, through one bridge of
 * Open vSwitch and through a Linux router with the same rules as nftables. Rounds go through all cases, medians count.
 * Needs root, iperf3 and nft; every load ends by itself.
 *
 *     npm run bench -- throughput [ROUNDS] [SECONDS] [tso] [bridge] [FLAVOUR]      default 5 rounds of 2 s, acl
 *
 * tso: the switch completes checksums; bridge: without the router. Beside each case of the bridge stands how many
 * decisions Open vSwitch had cached (megaflows) when the last connection was open.
 */
import type { ChildProcess } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { end, sh, sleep, start } from '../src/lab/shell.js'
import { type Place, place, plug, type Stack } from '../test/lab/place.js'
import { around, type Flavour, flavours, generateRules } from './rules.js'

const iperfPort = 5201
const connectPort = 5202
const counts = [10, 1_000, 10_000]
const settleMillis = 3_000
const script = new URL('../../bench/connections.py', import.meta.url).pathname

interface Case {
  readonly name: string
  readonly client: string
  readonly server: string
  readonly serverIp: string
  prepare(): Promise<void>
  /** Decisions that the switch has cached. */
  cached?(): Promise<number>
}

interface Figures {
  readonly mbps: number[]
  readonly connections: number[]
  readonly cached: number[]
  failed: number
}

export const run = async (words: readonly string[]): Promise<void> => {
  const [rounds = 5, seconds = 2] = words.filter(word => /^\d+$/.test(word)).map(Number)
  const flavour = flavours.find(each => words.includes(each)) ?? 'acl'
  const undo: (() => unknown)[] = []
  const stack: Stack = { teardown: each => undo.push(each) }
  try {
    const cases = [
      ...(await bridgeCases(stack, words.includes('tso'), flavour)),
      ...(words.includes('bridge') ? [] : await routerCases(stack, words.includes('tso'), flavour)),
    ]
    const figures = new Map(
      cases.map(each => [
        each.name,
        { mbps: [], connections: [], cached: [], failed: 0 } as Figures,
      ]),
    )
    for (let round = 0; round < rounds; round++)
      for (const each of cases) await measure(each, figures.get(each.name)!, seconds)
    report(figures)
  } finally {
    for (const each of undo.reverse()) await each()
  }
}

const inside = (namespace: string, ...words: readonly string[]) =>
  ['netns', 'exec', namespace, ...words] as const

const measure = async (each: Case, figures: Figures, seconds: number): Promise<void> => {
  await each.prepare()
  // What a change of the rules sets off is over, and the first packets have taught the caches of either.
  await sleep(settleMillis)
  await sh('ip', ...inside(each.client, 'ping', '-c', '2', '-i', '0.2', '-W', '2', each.serverIp))
  const iperf = ['iperf3', '-c', each.serverIp, '-p', `${iperfPort}`, '-t', `${seconds}`, '-J']
  const told = JSON.parse(await sh('ip', ...inside(each.client, ...iperf))) as {
    error?: string
    end: { sum_received?: { bits_per_second: number } }
  }
  if (told.end.sum_received === undefined) throw new Error(`${each.name}: iperf3 ${told.error}`)
  figures.mbps.push(told.end.sum_received.bits_per_second / 1e6)
  const open = ['/usr/bin/python3', script, 'open', each.serverIp, `${connectPort}`, `${seconds}`]
  const [count = 0, failed = 0] = (await sh('ip', ...inside(each.client, ...open)))
    .trim()
    .split(' ')
    .map(Number)
  figures.connections.push(count / seconds)
  figures.failed += failed
  if (each.cached) figures.cached.push(await each.cached())
}

const servers = async (stack: Stack, namespace: string): Promise<void> => {
  const children: ChildProcess[] = [
    start('ip', [...inside(namespace, 'iperf3', '-s', '-p', `${iperfPort}`)], { stdio: 'ignore' }),
    start('ip', [...inside(namespace, '/usr/bin/python3', script, 'serve', `${connectPort}`)], {
      stdio: 'ignore',
    }),
  ]
  stack.teardown(() => Promise.all(children.map(child => end(child))))
  await sleep(500)
}

/** So many rules, of which the last lets us through: those that might speak of us before it are left out. */
const ruleLines = (flavour: Flavour, count: number): string[] => {
  const lines = around(generateRules(flavour, Math.ceil(count * 2) + 200, 7), '10.9.0.1')
    .trim()
    .split('\n')
    .slice(1)
    .filter(line => !/ to (any|10\.9\..*)$/.test(line))
    .slice(0, count - 1)
  if (lines.length < count - 1) throw new Error(`${lines.length} rules, not ${count - 1}`)
  return lines
}

const bridgeCases = async (stack: Stack, isTso: boolean, flavour: Flavour): Promise<Case[]> => {
  const at = await place(stack, isTso)
  const add =
    'add-br br0 -- set bridge br0 datapath_type=netdev protocols=OpenFlow13 fail_mode=secure'
  await at.vsctl(...add.split(' '))
  const client = await plug(at, 'br0', 1)
  const server = await plug(at, 'br0', 2)
  await servers(stack, server)
  const cached = async () =>
    (
      await sh(
        'ip',
        ...inside(at.namespace, 'ovs-appctl', '-t', join(at.folder, 'vsw.ctl')),
        'dpctl/dump-flows',
      )
    )
      .split('\n')
      .filter(line => line.includes('actions:')).length
  const ends = { client, server, serverIp: '10.9.0.2', cached }
  return [
    { name: 'bridge, plain forwarding', ...ends, prepare: () => forwardPlainly(at) },
    ...counts.map(count => ({
      name: `bridge, firewall of ${count}`,
      ...ends,
      prepare: () => forwardBy(at, flavour, count),
    })),
  ]
}

const forwardPlainly = async (at: Place): Promise<void> => {
  await at.vsctl('del-controller', 'br0')
  const ofctl = (...words: string[]) =>
    sh('ip', ...inside(at.namespace, 'ovs-ofctl', '-O', 'OpenFlow13', ...words))
  const bridge = `unix:${join(at.folder, 'br0.mgmt')}`
  await ofctl('del-flows', bridge)
  await ofctl('add-flow', bridge, 'actions=NORMAL')
}

const forwardBy = async (at: Place, flavour: Flavour, count: number): Promise<void> => {
  const file = join(at.data, 'bench.rules')
  const text = [
    'default drop',
    ...ruleLines(flavour, count),
    'own: allow tcp, icmp from 10.9.0.0/24 to 10.9.0.0/24',
  ]
  writeFileSync(file, `${text.join('\n')}\n`)
  await at.vsctl('set-controller', 'br0', 'tcp:127.0.0.1:6653')
  await at.sluice('apply', '-f', file, '--wait', '--timeout', '60')
  await sh(
    'ip',
    ...inside(
      at.namespace,
      'ovs-ofctl',
      '-O',
      'OpenFlow13',
      '--strict',
      'del-flows',
      `unix:${join(at.folder, 'br0.mgmt')}`,
      'priority=32768',
    ),
  )
  for (let tries = 0; ; tries++)
    try {
      await sh('ip', ...inside(`${at.namespace}h1`, 'ping', '-c', '1', '-W', '1', '10.9.0.2'))
      return
    } catch (error) {
      if (tries === 20) throw error
    }
}

/** Its hosts leave checksums to nobody where those of the bridge cannot. */
const routerCases = async (stack: Stack, isTso: boolean, flavour: Flavour): Promise<Case[]> => {
  const [router, client, server] = ['r', 'c', 's'].map(name => `slr${process.pid}${name}`) as [
    string,
    string,
    string,
  ]
  stack.teardown(async () => {
    for (const name of [router, client, server]) await sh('ip', 'netns', 'del', name)
  })
  const ip = (line: string) => sh('ip', ...line.split(' '))
  for (const name of [router, client, server]) await ip(`netns add ${name}`)
  for (const [number, host] of [client, server].entries()) {
    await ip(`link add v${number} netns ${router} type veth peer name eth0 netns ${host}`)
    await ip(`-n ${router} addr add 10.9.${number}.1/24 dev v${number}`)
    await ip(`-n ${router} link set v${number} up`)
    await ip(`-n ${host} addr add 10.9.${number}.2/24 dev eth0`)
    if (!isTso) await sh('ip', ...inside(host, 'ethtool', '-K', 'eth0', 'tx', 'off'))
    await ip(`-n ${host} link set eth0 up`)
    await ip(`-n ${host} route add default via 10.9.${number}.1`)
  }
  await sh('ip', ...inside(router, 'sysctl', '-q', '-w', 'net.ipv4.ip_forward=1'))
  await servers(stack, server)
  const ends = { client, server, serverIp: '10.9.1.2' }
  const load = async (rules: string) => {
    const path = join('/tmp', `${router}.nft`)
    writeFileSync(path, `flush ruleset\n${rules}`)
    await sh('ip', ...inside(router, 'nft', '-f', path))
    await sh('rm', path)
  }
  return [
    { name: 'Linux router, plain forwarding', ...ends, prepare: () => load('') },
    ...counts.map(count => ({
      name: `Linux router, nftables of ${count}`,
      ...ends,
      prepare: () => load(nftables(flavour, count)),
    })),
  ]
}

const nftables = (flavour: Flavour, count: number): string =>
  [
    'table ip fw { chain forward { type filter hook forward priority 0; policy drop;',
    'ct state established,related accept',
    'ct state invalid drop',
    ...ruleLines(flavour, count).map(nftRule),
    'ip saddr 10.9.0.0/16 ip daddr 10.9.0.0/16 meta l4proto { tcp, icmp } accept',
    '}',
    '}',
    '',
  ].join('\n')

/** `r7: allow tcp 80 source 1024-65535 from 10.0.0.0/8 to any` */
const nftRule = (line: string): string => {
  const found = /^\w+: (\w+) (.+) from (\S+) to (\S+)$/.exec(line)
  if (found === null) throw new Error(`this rule cannot be told to nft: ${line}`)
  const [, verb, service = '', from, to] = found
  const ends = [
    ...(from === 'any' ? [] : [`ip saddr ${from}`]),
    ...(to === 'any' ? [] : [`ip daddr ${to}`]),
  ]
  return [...ends, nftService(service), verb === 'allow' ? 'accept' : 'drop'].join(' ')
}

const nftService = (service: string): string => {
  const [protocol = '', ...words] = service.split(' ')
  if (protocol === 'any') return ''
  if (protocol === 'proto') return `meta l4proto ${words[0]}`
  if (protocol === 'icmp') return 'meta l4proto icmp'
  const at = words.indexOf('source')
  const to = at < 0 ? words : words.slice(0, at)
  const parts = [
    ...(to.length > 0 ? [`${protocol} dport ${to.join(', ')}`] : []),
    ...(at < 0 ? [] : [`${protocol} sport ${words[at + 1]}`]),
  ]
  return parts.length === 0 ? `meta l4proto ${protocol}` : parts.join(' ')
}

const median = (list: readonly number[]): number =>
  [...list].sort((a, b) => a - b)[list.length >> 1] ?? 0

/** Each beside the plain forwarding of its own world. */
const report = (figures: ReadonlyMap<string, Figures>): void => {
  let plain = { mbps: 1, connections: 1 }
  for (const [name, { mbps, connections, cached, failed }] of figures) {
    const now = { mbps: median(mbps), connections: median(connections) }
    if (name.includes('plain')) plain = now
    const ratio = (own: number, other: number) => (own / other).toFixed(2)
    console.log(
      `${name.padEnd(32)} ${now.mbps.toFixed(0).padStart(7)} Mb/s  x${ratio(now.mbps, plain.mbps)}   ` +
        `${now.connections.toFixed(0).padStart(7)} connections/s  x${ratio(now.connections, plain.connections)}   ` +
        `${failed} failed   ${cached.length > 0 ? `${median(cached)} cached   ` : ''}(${mbps.map(each => each.toFixed(0)).join(' ')})`,
    )
  }
}
