/**
 * A table of 100,000 flows on a real Open vSwitch of its own: installed by our programmer, beside `ovs-ofctl --bundle
 * add-flows` with the same flows on the same bridge; read back and compared. Needs root for a network namespace.
 *
 *     npm run bench -- tables [FLOWS] [RUNS]
 */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { realEnv } from '../src/base/env/real-env.js'
import { Programmer } from '../src/controller/program/programmer.js'
import { attach } from '../src/controller/southbound/switches.js'
import { clear, Ledger } from '../src/lab/ledger.js'
import { type OvsPlace, ovsVariables, startOvs } from '../src/lab/ovs.js'
import { connectToSwitch, type SwitchConnection } from '../src/openflow/index.js'
import { flow, type Section, section } from '../src/pipeline/program.js'
import { tableId } from '../src/pipeline/tables.js'
import { median } from './program.js'

const env = realEnv(pino({ level: 'silent' }))
const origin = { kind: 'policy', name: 'bench' } as const

/** Sections of 1,000 flows, each a TCP service of one address to another. */
const wantedSections = (count: number): readonly Section[] =>
  Array.from({ length: Math.ceil(count / 1_000) }, (_, part) =>
    section(`bench/${part}`, {
      flows: Array.from({ length: Math.min(1_000, count - part * 1_000) }, (_, index) => {
        const number = part * 1_000 + index
        return flow(
          'rules0',
          100,
          matchOf(number),
          { actions: [{ kind: 'output', port: 1 }] },
          'a figure',
          origin,
        )
      }),
    }),
  )

const source = (number: number) => 0x0a00_0000 + number
const matchOf = (number: number) => ({
  eth_type: 0x0800,
  ip_proto: 6,
  ip_src: source(number),
  ip_dst: 0xc0a8_0000 + (number & 0xff),
  tcp_dst: 1_000 + (number % 50_000),
})

const dotted = (address: number): string =>
  [24, 16, 8, 0].map(shift => (address >>> shift) & 0xff).join('.')

const ofctlLine = (number: number): string => {
  const { ip_src, ip_dst, tcp_dst } = matchOf(number)
  return `table=${tableId.rules0},priority=100,cookie=0x99,tcp,nw_src=${dotted(ip_src)},nw_dst=${dotted(ip_dst)},tp_dst=${tcp_dst},actions=output:1`
}

interface Place {
  readonly place: OvsPlace
  ofctl(...words: readonly string[]): string
  /** Ends the flows, and waits until the switch has. */
  empty(): void
}

const once = async (
  { ofctl, empty }: Place,
  connection: SwitchConnection,
  file: string,
  count: number,
) => {
  empty()
  const peerBegan = performance.now()
  ofctl('--bundle', 'add-flows', 'br0', file)
  const peerMillis = performance.now() - peerBegan
  empty()
  const sections = wantedSections(count)
  const programmer = new Programmer(env, connection.dpid)
  const attached = attach(connection, {
    packetIn: () => undefined,
    portChanged: () => undefined,
    portRemoved: () => undefined,
    flowsTouched: () => undefined,
    rowRemoved: () => undefined,
    closed: () => undefined,
  })
  const confirmed = (revision: number) => programmer.confirmed(revision, 60_000)
  programmer.want([], 1)
  programmer.connect(attached)
  await confirmed(1)
  const began = performance.now()
  const cpuBegan = process.cpuUsage()
  programmer.want(sections, 2)
  if (!(await confirmed(2))) throw new Error('not installed in a minute')
  const installMillis = performance.now() - began
  const installCpu = cpuMillis(cpuBegan)
  const sent = programmer.counters.flowModsSent
  // The next one is compared with what the switch says.
  const readBegan = performance.now()
  const readCpuBegan = process.cpuUsage()
  programmer.check()
  programmer.want([...sections], 3)
  await confirmed(3)
  const readMillis = performance.now() - readBegan
  const readCpu = cpuMillis(readCpuBegan)
  if (programmer.heldFlowCount !== count)
    throw new Error(`${programmer.heldFlowCount} flows were read`)
  if (programmer.counters.flowModsSent !== sent) throw new Error('the second pass sent something')
  programmer.disconnect()
  return { peerMillis, installMillis, installCpu, readMillis, readCpu }
}

const cpuMillis = (began: NodeJS.CpuUsage): number => {
  const { user, system } = process.cpuUsage(began)
  return (user + system) / 1_000
}

const connect = (path: string): Promise<{ connection: SwitchConnection; close(): void }> =>
  new Promise(resolve => {
    const dialled = connectToSwitch(
      env,
      { path },
      {
        onSwitch: connection => {
          connection
            .becomeMaster(BigInt(Date.now()))
            .then(() => resolve({ connection, close: () => dialled.close() }), console.error)
        },
      },
    )
  })

export const run = async (words: readonly string[]): Promise<void> => {
  const count = Number(words[0] ?? 100_000)
  const runs = Number(words[1] ?? 5)
  const folder = mkdtempSync(join(tmpdir(), 'sluice-bench-'))
  const ledgerPath = join(folder, `tables-${process.pid}-1.json`)
  const results: Awaited<ReturnType<typeof once>>[] = []
  try {
    const place = await startOvs(new Ledger(ledgerPath), `sluice-bench-${process.pid}`, false)
    const tool = (program: string, ...rest: readonly string[]) =>
      execFileSync(program, rest, {
        encoding: 'utf8',
        env: { ...process.env, ...ovsVariables(place.folder) },
      })
    const ofctl = (...rest: readonly string[]) => tool('ovs-ofctl', '-O', 'OpenFlow13', ...rest)
    const bridge =
      'add-br br0 -- set bridge br0 datapath_type=netdev protocols=OpenFlow13 fail_mode=secure'
    tool('ovs-vsctl', `--db=unix:${place.socket}`, ...bridge.split(' '))
    const file = join(folder, 'flows.txt')
    writeFileSync(
      file,
      `${Array.from({ length: count }, (_, index) => ofctlLine(index)).join('\n')}\n`,
    )
    const { connection, close } = await connect(join(place.folder, 'br0.mgmt'))
    const empty = () => {
      ofctl('del-flows', 'br0')
      ofctl('dump-aggregate', 'br0')
    }
    for (let index = 0; index < runs; index++)
      results.push(await once({ place, ofctl, empty }, connection, file, count))
    close()
  } finally {
    await clear(ledgerPath)
    rmSync(folder, { recursive: true, force: true })
  }
  const of = (name: keyof (typeof results)[number]) => median(results.map(each => each[name]))
  const ratio = median(results.map(each => each.peerMillis / each.installMillis))
  console.log(
    `${count} flows, median of ${runs}: installed in ${of('installMillis').toFixed(0)} ms (${of('installCpu').toFixed(0)} ms CPU of ours), ` +
      `ovs-ofctl --bundle ${of('peerMillis').toFixed(0)} ms: ${ratio.toFixed(2)} x its speed; ` +
      `read back and compared in ${of('readMillis').toFixed(0)} ms (${of('readCpu').toFixed(0)} ms CPU of ours), 0 messages in the second pass`,
  )
}
