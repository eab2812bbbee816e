/**
 * Rules on a real Open vSwitch: how long it takes until the switch has confirmed them, what an edit of one costs, and
 * what a change of the rules costs while 100,000 sessions are held. Needs root; the load is counted and ends.
 *
 *     npm run bench -- on-switch [SESSIONS] [COUNT...]      default 100000 sessions, 1000 10000 50000 rules
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pino } from 'pino'
import type { Env } from '../src/base/env/env.js'
import { realEnv } from '../src/base/env/real-env.js'
import type { ControllerProcess } from '../src/lab/controller-process.js'
import { type Lab, withLab } from '../src/lab/main.js'
import { sh, sleep } from '../src/lab/shell.js'
import { readLab } from '../src/lab/spec.js'
import { NetnsStage } from '../src/lab/stages/netns.js'
import { around, flavours, generateRules } from './rules.js'

const lab: Lab = {
  spec: readLab(
    'bench',
    'bench.yaml',
    `title: One switch, two hosts
rules: bench.rules
switches: [s1]
links: []
hosts:
  a: { at: s1:1, ips: [10.9.0.1/24] }
  b: { at: s1:2, ips: [10.9.0.2/24] }
steps:
  - try: { from: a, to: b, protocol: udp, port: 53, expect: open }
`,
  ),
  rules: 'default allow\n',
  folder: '.',
}

const own = 'own: allow any from 10.9.0.0/24 to 10.9.0.0/24\n'
const sender = new URL('../../bench/sessions.py', import.meta.url).pathname

interface World {
  readonly controller: ControllerProcess
  readonly stage: NetnsStage
}

export const run = async (words: readonly string[]): Promise<void> => {
  const [sessions = 100_000, ...counts] = words.map(Number)
  const sizes = counts.length > 0 ? counts : [1_000, 10_000, 50_000]
  await inWorld(realEnv(pino({ level: 'silent' })), async world => {
    for (const count of sizes)
      for (const flavour of flavours)
        await install(
          world,
          `${flavour} ${count}`,
          around(generateRules(flavour, count, 7), '10.9.0.1'),
        )
    await holdSessions(world, sessions)
  })
}

const inWorld = (env: Env, work: (world: World) => Promise<void>): Promise<void> => {
  const silent = { say: () => undefined, assertion: () => undefined }
  const never = new AbortController().signal
  return withLab(env, lab, 'netns', silent, never, async ({ run, controller, stage }) => {
    if (!(stage instanceof NetnsStage)) throw new Error('another stage than was asked for')
    await run.up()
    await work({ controller, stage })
  })
}

interface Installed {
  readonly state: string
  readonly generation: number
}

const put = async (world: World, source: string): Promise<number> =>
  (await timedPut(world, source)).confirmed

/** Milliseconds from the request until the bundle has been sent, and until the switch has confirmed it. */
const timedPut = async ({ controller, stage }: World, source: string) => {
  const { relay } = stage.rig.switches.get('s1')!
  let sent = Number.NaN
  const began = performance.now()
  relay.onToSwitch = chunk => {
    if (hasCommit(chunk)) sent = performance.now() - began
  }
  const path = '/api/v1/policies/bench?wait=installed&timeout=120'
  const { state } = await controller.send<Installed>('PUT', path, { source })
  if (state !== 'installed') throw new Error(`the policy is ${state}`)
  return { sent, confirmed: performance.now() - began }
}

/** ONF extension 230, behind the header: experimenter ONF, bundle control; four octets further on: commit request. */
const bundleControl = Buffer.from('4f4e4600000008fc', 'hex')
const commitRequest = 4

const hasCommit = (chunk: Buffer): boolean => {
  for (let at = chunk.indexOf(bundleControl); at >= 0; at = chunk.indexOf(bundleControl, at + 1))
    if (at + 14 <= chunk.length && chunk.readUInt16BE(at + 12) === commitRequest) return true
  return false
}

/** From nothing, then edits of single rules: as a request, and as a file that is saved. */
const install = async (world: World, name: string, rules: string): Promise<void> => {
  const { controller } = world
  await put(world, `default drop\n${own}`)
  const millis = await put(world, rules + own)
  const lines = rules.split('\n')
  const edits: { readonly sent: number; readonly confirmed: number }[] = []
  for (let edit = 0; edit < 7; edit++) {
    const at = 1 + ((edit * 7919) % (lines.length - 2))
    lines[at] = `edited${edit}: allow tcp 4${edit} from 10.9.0.1 to 10.78.${edit}.1`
    edits.push(await timedPut(world, lines.join('\n') + own))
  }
  const saved = await saves(world, lines)
  const memory = await rssMib(controller)
  const medianOf = (part: 'sent' | 'confirmed') =>
    median(edits.map(edit => edit[part]))
      .toFixed(0)
      .padStart(4)
  console.log(
    `${name.padEnd(10)} installed ${millis.toFixed(0).padStart(6)} ms   edit sent ${medianOf('sent')} ms, confirmed ${medianOf('confirmed')} ms   ` +
      `saved file to confirmed ${median(saved).toFixed(0).padStart(4)} ms   controller ${memory.toFixed(0)} MiB`,
  )
}

/** A watched file is written; until the switch has confirmed the next generation. */
const saves = async ({ controller }: World, lines: string[]): Promise<number[]> => {
  // The one place in the data folder from which files may be watched.
  const file = join(controller.data, 'rules', 'bench.rules')
  const text = () => lines.join('\n') + own
  writeFileSync(file, text())
  const wish = { name: 'bench', source: text(), file, watch: true }
  await controller.send('POST', '/api/v1/policies?wait=installed&timeout=120', { policies: [wish] })
  const times: number[] = []
  for (let edit = 0; edit < 5; edit++) {
    const { generation } = await status(controller)
    lines[2 + edit] = `saved${edit}: allow tcp 5${edit} from 10.9.0.1 to 10.78.${edit}.1`
    await sleep(300)
    const began = performance.now()
    writeFileSync(file, text())
    for (;;) {
      const now = await status(controller)
      if (now.generation !== generation && now.state === 'installed') break
      if (performance.now() - began > 30_000)
        throw new Error(`the edit was not taken: ${JSON.stringify(now)}`)
    }
    times.push(performance.now() - began)
  }
  return times
}

/** The list does not carry the text. */
const status = async (controller: ControllerProcess): Promise<Installed> =>
  (await controller.get<{ items: Installed[] }>('/api/v1/policies?name=bench')).items[0]!

const holdSessions = async (world: World, count: number): Promise<void> => {
  const { stage } = world
  await put(world, `default drop\n${own}`)
  const [command = '', ...words] = stage.enter('a')
  const began = performance.now()
  const told = await sh(command, ...words, '/usr/bin/python3', sender, '10.9.0.2', `${count}`)
  const held = Number(await stage.rig.appctl('s1', 'dpctl/ct-get-nconns'))
  console.log(
    `${held.toLocaleString('en')} sessions held (${told.trim()}, ${((performance.now() - began) / 1_000).toFixed(1)} s)`,
  )
  for (const [what, rules] of [
    ['another rule, all kept', `${own}more: allow tcp 22 from 10.7.0.0/16 to any\n`],
    ['all but the probe cut', 'probe: allow icmp from any to any\n'],
  ] as const) {
    const pings = stage.ping('a', 'b', 3_000, 1)
    await sleep(500)
    const [began, idle] = [await cpuMillis(stage), await usedIn(stage, 1_000)]
    const millis = await put(world, `default drop\n${rules}`)
    const after = await usedIn(stage, 1_000, began + idle)
    const { sent, received } = await pings
    console.log(
      `${what}: confirmed after ${millis.toFixed(0)} ms, ${after} ms CPU of ovs-vswitchd in it and the second that follows (${idle} in the second before), ${sent - received} of ${sent} pings lost`,
    )
  }
}

const usedIn = async (stage: NetnsStage, millis: number, since?: number): Promise<number> => {
  const began = since ?? (await cpuMillis(stage))
  await sleep(millis)
  return (await cpuMillis(stage)) - began
}

/** @see proc(5): user and system time in ticks of 10 ms */
const cpuMillis = async (stage: NetnsStage): Promise<number> => {
  const { folder } = stage.rig.switches.get('s1')!
  const pid = (await sh('cat', join(folder, 'ovs-vswitchd.pid'))).trim()
  const fields = (await sh('cat', `/proc/${pid}/stat`)).split(') ')[1]!.split(' ')
  return (Number(fields[11]) + Number(fields[12])) * 10
}

const rssMib = async (controller: ControllerProcess): Promise<number> => {
  const text = await sh('cat', `/proc/${controller.endpoints.pid}/status`)
  return Number(/VmRSS:\s+(\d+)/.exec(text)![1]) / 1_024
}

const median = (list: readonly number[]): number =>
  [...list].sort((a, b) => a - b)[list.length >> 1]!
