/** What `sluice doctor` reads of this machine. */
import { join } from 'node:path'
import type { Cli } from '../cli.js'
import { type Bridge, type Finding, findingsOfBridge } from './checks.js'

type Machine = Pick<Cli, 'run' | 'disk'>

const wrong = (check: Finding['check'], text: string, mend: string): Finding => ({
  level: 'wrong',
  check,
  text,
  mend,
})

/**
 * @param isServed a controller answers, so the ports of sluice are its own
 * @param data the data folder
 */
export const findingsHere = async (
  machine: Machine,
  isServed: boolean,
  data: string,
): Promise<readonly Finding[]> => {
  const parts = await Promise.all([
    ofPackages(machine),
    ofOpenvswitch(machine),
    isServed ? [] : ofPorts(machine),
    ofClock(machine),
    ofFiles(machine, data),
  ])
  return parts.flat()
}

const ofPackages = async ({ run }: Machine): Promise<Finding[]> => {
  const has = async (words: readonly string[]) => (await run(words)) !== undefined
  const [flock, vsctl] = await Promise.all([
    has(['flock', '--version']),
    has(['ovs-vsctl', '--version']),
  ])
  return [
    ...(flock
      ? []
      : [
          wrong(
            'packages',
            'flock is missing: "sluice run" cannot lock its data folder',
            'apt-get install util-linux',
          ),
        ]),
    ...(vsctl
      ? []
      : [
          {
            ...wrong(
              'packages',
              'there is no Open vSwitch on this machine; switches elsewhere need none here',
              'apt-get install openvswitch-switch',
            ),
            level: 'note' as const,
          },
        ]),
  ]
}

interface Rows {
  readonly headings: readonly string[]
  readonly data: readonly (readonly unknown[])[]
}

/** A cell of OVSDB: one thing, or `["set", [...]]`; UUIDs as `["uuid", "..."]`. */
const listOf = (cell: unknown): readonly unknown[] =>
  Array.isArray(cell) && cell[0] === 'set' ? (cell[1] as unknown[]) : [cell]
const idOf = (cell: unknown): string => String(Array.isArray(cell) ? cell[1] : cell)

const ofOpenvswitch = async ({ run }: Machine): Promise<Finding[]> => {
  const list = async (table: string, columns: string) => {
    const found = await run([
      'ovs-vsctl',
      '--timeout=4',
      '--format=json',
      `--columns=${columns}`,
      'list',
      table,
    ])
    return found
  }
  const first = await list('Bridge', 'name,fail_mode,protocols,controller,ports')
  if (first === undefined) return []
  if (first.code !== 0) {
    const isDenied = /denied/i.test(first.err)
    return [
      isDenied
        ? wrong(
            'permissions',
            'the database of Open vSwitch on this machine may not be read by this user',
            'sudo sluice doctor',
          )
        : wrong(
            'database',
            `the database of Open vSwitch on this machine does not answer: ${first.err.trim().split('\n').at(-1)}`,
            'systemctl start openvswitch-switch',
          ),
    ]
  }
  const [controllers, ports, interfaces] = await Promise.all([
    list('Controller', '_uuid,target'),
    list('Port', '_uuid,interfaces'),
    list('Interface', '_uuid,name,mtu'),
  ])
  const rows = (found: { out: string } | undefined): Rows['data'] =>
    found === undefined || found.out.trim() === '' ? [] : (JSON.parse(found.out) as Rows).data
  const targets = new Map(rows(controllers).map(([id, target]) => [idOf(id), String(target)]))
  const inside = new Map(rows(ports).map(([id, of]) => [idOf(id), listOf(of).map(idOf)]))
  const mtus = new Map(
    rows(interfaces).map(([id, port, mtu]) => [
      idOf(id),
      { port: String(port), mtu: Number(listOf(mtu)[0] ?? 0) },
    ]),
  )
  const bridges = rows(first).map(
    ([name, failMode, protocols, controller, own]): Bridge => ({
      name: String(name),
      failMode: listOf(failMode).join(''),
      protocols: listOf(protocols).map(String),
      controllers: listOf(controller).flatMap(id => targets.get(idOf(id)) ?? []),
      // The bridge's own port follows the smallest of the others.
      mtus: listOf(own)
        .flatMap(port => inside.get(idOf(port)) ?? [])
        .flatMap(id => mtus.get(id) ?? [])
        .filter(({ port, mtu }) => port !== name && mtu > 0),
    }),
  )
  return bridges.flatMap(findingsOfBridge)
}

const listening = '0A'
const usualPorts = { 6653: '--openflow 127.0.0.1:6654', 8080: '--rest 127.0.0.1:8081' }

/** Ports in /proc/net/tcp are hex digits behind a colon. */
const ofPorts = async ({ disk }: Machine): Promise<Finding[]> => {
  const texts = await Promise.all(
    ['/proc/net/tcp', '/proc/net/tcp6'].map(path => disk.readText(path).catch(() => '')),
  )
  const taken = new Set(
    texts
      .join('\n')
      .split('\n')
      .map(line => line.trim().split(/\s+/))
      .filter(cells => cells[3] === listening)
      .map(cells => Number.parseInt(cells[1]?.split(':').at(-1) ?? '', 16)),
  )
  return Object.entries(usualPorts).flatMap(([port, option]) =>
    taken.has(Number(port))
      ? [
          wrong(
            'port-in-use',
            `another program listens on port ${port}, and no controller answers`,
            `sluice run ${option}   # who it is: ss -ltnp sport = :${port}`,
          ),
        ]
      : [],
  )
}

const ofClock = async ({ run }: Machine): Promise<Finding[]> => {
  const found = await run(['timedatectl', 'show', '--property=NTPSynchronized', '--value'])
  return found?.code === 0 && found.out.trim() === 'no'
    ? [
        wrong(
          'clock',
          'the clock of this machine is not set by the network',
          'timedatectl set-ntp true',
        ),
      ]
    : []
}

const ofFiles = async ({ disk }: Machine, data: string): Promise<Finding[]> => {
  const found: Finding[] = []
  for (const name of ['token', 'discovery.key']) {
    const path = join(data, name)
    const stat = await disk.stat(path).catch(() => undefined)
    if (stat && (stat.mode & 0o077) !== 0)
      found.push(wrong('permissions', `${path} can be read by others`, `chmod 600 ${path}`))
  }
  return found
}
