/**
 * What netfilter does with a packet: a ruleset is loaded in a network namespace that forwards, packets are put in at one side, and
 * those that come out are noted. Needs root, iproute2 and python3 (for raw sockets), and the tool of the ruleset.
 *
 *     world ── in, or an interface that the rules name ── router ── the interface of the route ── world
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseCidr } from '../../base/addresses.js'
import { contains, setOfCidr } from '../../nfv/firewall/meaning/address-set.js'
import type { Connection } from '../../pipeline/connection.js'
import { ensurePackages, type Need } from '../install.js'
import { sh, trySh } from '../shell.js'
import { probeScript } from './probe-script.js'

/** Addresses behind interfaces that the rules name. */
export type Interfaces = ReadonlyMap<string, readonly string[]>

export const kernelNeeds: readonly Need[] = [
  { command: 'ip', package: 'iproute2' },
  { command: 'nft', package: 'nftables' },
  { command: 'iptables-restore', package: 'iptables' },
  { command: 'ipset', package: 'ipset' },
  { command: 'python3', package: 'python3-minimal' },
]

/** MACs: the router's port n, and the world's. */
const routerMac = (n: number): string => `02:00:00:00:01:${n.toString(16).padStart(2, '0')}`
const worldMac = (n: number): string => `02:00:00:00:02:${n.toString(16).padStart(2, '0')}`

/**
 * Which of the connections pass, in their order.
 *
 * @param name tells this run's namespaces from others
 * @throws {CommandFailed} when the ruleset cannot be loaded, with the complaint of its own tool
 */
export const askKernel = async (
  kind: 'iptables' | 'nft',
  source: string,
  connections: readonly Connection[],
  interfaces: Interfaces,
  name: string,
  print: (text: string) => void,
): Promise<readonly boolean[]> => {
  await ensurePackages(kernelNeeds, print)
  const [router, world] = [`${name}-router`, `${name}-world`]
  const folder = mkdtempSync(join(tmpdir(), 'sluice-prove-'))
  const ports = [...interfaces.keys(), 'pvin', 'pvout']
  const inRouter = (...words: string[]) => sh('ip', 'netns', 'exec', router, ...words)
  try {
    await sh('ip', 'netns', 'add', router)
    await sh('ip', 'netns', 'add', world)
    await inRouter(
      'sysctl',
      '-qw',
      'net.ipv4.ip_forward=1',
      'net.ipv6.conf.all.forwarding=1',
      'net.ipv4.conf.all.rp_filter=0',
      'net.ipv4.conf.default.rp_filter=0',
      'net.ipv4.conf.all.send_redirects=0',
      'net.ipv4.conf.default.send_redirects=0',
      'net.ipv6.conf.default.accept_dad=0',
    )
    await trySh(
      'ip',
      'netns',
      'exec',
      world,
      'sysctl',
      '-qw',
      'net.ipv6.conf.all.disable_ipv6=1',
      'net.ipv6.conf.default.disable_ipv6=1',
    )
    for (const [at, port] of ports.entries()) await addPort(router, world, port, at)
    await route(router, '0.0.0.0/0', 'pvout', ports.length - 1)
    await route(router, '::/0', 'pvout', ports.length - 1)
    for (const [at, port] of [...interfaces.keys()].entries())
      for (const address of interfaces.get(port)!) await route(router, address, port, at)
    await load(kind, source, folder, inRouter)
    const frames = connections.map((connection, index) => ({
      ...connection,
      index,
      port: `w${portOf(connection.source, interfaces)}`,
    }))
    const file = join(folder, 'probes.json')
    const macs = Object.fromEntries(ports.map((_, at) => [`w${at}`, [worldMac(at), routerMac(at)]]))
    writeFileSync(file, JSON.stringify({ macs, probes: frames }))
    const script = join(folder, 'probe.py')
    writeFileSync(script, probeScript)
    const answer = await sh('ip', 'netns', 'exec', world, 'python3', script, file)
    const passed = new Set(JSON.parse(answer) as number[])
    return connections.map((_, index) => passed.has(index))
  } finally {
    await trySh('ip', 'netns', 'del', router)
    await trySh('ip', 'netns', 'del', world)
    rmSync(folder, { recursive: true, force: true })
  }
}

const addPort = async (router: string, world: string, port: string, at: number): Promise<void> => {
  // biome-ignore format: one command
  await sh('ip', 'link', 'add', port, 'netns', router, 'address', routerMac(at), 'type', 'veth', 'peer', 'name', `w${at}`, 'netns', world, 'address', worldMac(at))
  await sh('ip', '-n', router, 'addr', 'add', `198.18.255.${1 + 4 * at}/30`, 'dev', port)
  await sh('ip', '-n', router, 'link', 'set', port, 'up')
  await sh('ip', '-n', world, 'link', 'set', `w${at}`, 'up')
}

/** The next hop is known for good: nobody answers in the world. */
const route = async (router: string, to: string, port: string, at: number): Promise<void> => {
  const isV6 = to.includes(':')
  const hop = isV6 ? `fe80::ff:${at}` : `198.18.255.${2 + 4 * at}`
  const version = isV6 ? '-6' : '-4'
  await sh(
    'ip',
    '-n',
    router,
    version,
    'neigh',
    'replace',
    hop,
    'lladdr',
    worldMac(at),
    'dev',
    port,
    'nud',
    'permanent',
  )
  await sh('ip', '-n', router, version, 'route', 'replace', to, 'via', hop, 'dev', port)
}

/** The interface behind which an address is, by number; that of everybody else when it is behind none. */
const portOf = (address: string, interfaces: Interfaces): number => {
  const wanted = setOfCidr(parseCidr(address)!)
  const found = [...interfaces.values()].findIndex(list =>
    list.some(text => {
      const set = setOfCidr(parseCidr(text)!)
      const [v4] = wanted.v4
      const [v6] = wanted.v6
      return v4 ? contains(set.v4, v4.first) : v6 ? contains(set.v6, v6.first) : false
    }),
  )
  return found < 0 ? interfaces.size : found
}

const load = async (
  kind: 'iptables' | 'nft',
  source: string,
  folder: string,
  inRouter: (...words: string[]) => Promise<string>,
): Promise<void> => {
  const put = (name: string, text: string): string => {
    const path = join(folder, name)
    writeFileSync(path, text)
    return path
  }
  if (kind === 'nft') {
    const isJson = /^\s*\{/.test(source)
    await inRouter('nft', ...(isJson ? ['-j'] : []), '-f', put('ruleset', source))
    return
  }
  const lines = source.split('\n')
  const sets = lines.filter(line => /^(create|add)\s/.test(line.trim()))
  if (sets.length > 0)
    await inRouter('ipset', 'restore', '-file', put('sets', `${sets.join('\n')}\n`))
  const isSaved = lines.some(line => line.trim().startsWith('*'))
  for (const [at, { version, text }] of (isSaved ? dumpsOf(source) : commandsOf(lines)).entries())
    await inRouter(
      version === 6 ? 'ip6tables-restore' : 'iptables-restore',
      ...(isSaved ? [] : ['--noflush']),
      put(`dump-${at}`, text),
    )
}

interface Dump {
  readonly version: 4 | 6
  readonly text: string
}

/** Commands, or what `iptables -S` lists, as dumps: one for each table. */
const commandsOf = (lines: readonly string[]): Dump[] => {
  const found = new Map<string, string[]>()
  for (const line of lines) {
    const [, tool, rest] = /^\s*(?:\S*?\b(ip6?tables)(?:-legacy|-nft)?\s+)?(-.*)$/.exec(line) ?? []
    if (rest === undefined) continue
    const table = /(?:^|\s)(?:-t|--table)\s+(\S+)/.exec(rest)
    const key = `${tool === 'ip6tables' ? 6 : 4} ${table?.[1] ?? 'filter'}`
    const command = table ? rest.replace(table[0], ' ').trim() : rest.trim()
    found.set(key, [...(found.get(key) ?? []), command])
  }
  return [...found].map(([key, commands]) => ({
    version: key.startsWith('6') ? 6 : 4,
    text: `*${key.slice(2)}\n${commands.join('\n')}\nCOMMIT\n`,
  }))
}

/** Dumps of both versions may stand in one file; each is for its own tool. */
const dumpsOf = (source: string): Dump[] => {
  const dumps: { version: 4 | 6 | undefined; lines: string[]; tables: Set<string> }[] = []
  for (const line of source.split('\n')) {
    const trimmed = line.trim()
    if (/^(create|add)\s/.test(trimmed)) continue
    const header = /^#.*\b(ip6?tables)(?:-legacy|-nft)?-save\b/.exec(trimmed)
    const version = header ? (header[1] === 'ip6tables' ? 6 : 4) : undefined
    const table = trimmed.startsWith('*') ? trimmed : undefined
    const open = dumps.at(-1)
    if (
      open === undefined ||
      (version && open.version !== version) ||
      (table && open.tables.has(table))
    )
      dumps.push({ version, lines: [], tables: new Set() })
    const dump = dumps.at(-1)!
    if (table) dump.tables.add(table)
    dump.lines.push(line)
  }
  return dumps
    .filter(({ tables }) => tables.size > 0)
    .map(({ version, lines }) => {
      const text = `${lines.join('\n')}\n`
      const isV6 = /[0-9a-f]*:[0-9a-f:]*:[0-9a-f]*\/|ipv6-icmp|icmpv6|\s[0-9a-f]+::/i.test(text)
      return { version: version ?? (isV6 ? 6 : 4), text }
    })
}
