/** Random datagrams in pieces through real Open vSwitch, half of them denied; what comes out of it. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import type { Env } from '../../../src/base/env/env.js'
import { sh, sleep } from '../../../src/lab/shell.js'
import { type HostName, type TwoSwitches, withTwoSwitches } from './two-switches.js'

export interface FragmentsOptions {
  readonly seed: number
  readonly pieces: number
  /** Pieces a second. */
  readonly rate: number
  /** Seconds that late pieces may take. */
  readonly delay: number
  readonly rules?: string
}

export interface FragmentsResult {
  readonly pieces: number
  readonly datagrams: { readonly allowed: number; readonly denied: number; readonly late: number }
  /** Pieces of denied datagrams that came out. */
  readonly deniedPieces: number
  /** Allowed datagrams without late pieces of which something was missing. */
  readonly lost: number
  /** Late allowed ones that arrived in part. */
  readonly inPart: number
  /** What the rules have counted, by name. */
  readonly hits: Readonly<Record<string, number>>
  readonly logged: number
  /** Frames that a socket had no room for: that of a switch, or of a host that listens. Each may cost a datagram. */
  readonly dropped: number
  /** Pieces that still waited in the switch of the sender at the end. */
  readonly waiting: number
}

const script = new URL('../../../../test/lab/firewall/fragments.py', import.meta.url).pathname

const run = (lab: TwoSwitches, host: HostName, ...words: string[]) => {
  const [command = '', ...rest] = [...lab.stage.enter(host), '/usr/bin/python3', script, ...words]
  const child = spawn(command, rest, { stdio: ['pipe', 'pipe', 'inherit'] })
  let said = ''
  child.stdout.on('data', (text: Buffer) => {
    said += text.toString()
  })
  return { child, said: () => said }
}

const lastJson = <T>(text: string): T => JSON.parse(text.trim().split('\n').at(-1)!) as T

interface Heard {
  readonly came: Readonly<Record<string, number>>
  readonly dropped: number
}

/** What the sockets by which the switches receive had no room for. */
const droppedAt = async (lab: TwoSwitches): Promise<number> => {
  let sum = 0
  for (const { namespace } of lab.stage.rig.switches.values()) {
    const sockets = await sh('ip', 'netns', 'exec', namespace, 'ss', '-0', '-m', '-n')
    for (const [, count] of sockets.matchAll(/skmem:\([^)]*,d(\d+)\)/g)) sum += Number(count)
  }
  return sum
}

/** UDP 53 is let in, and all else is not; `rest` would speak of what shows no port. */
export const fragmentRules =
  'default drop\nok: allow udp 53\nno: drop udp 54, udp 514, udp 9999\nrest: drop udp\n'

export const tryFragments = (env: Env, options: FragmentsOptions): Promise<FragmentsResult> =>
  withTwoSwitches(env, async lab => {
    for (const [to, v4, v6] of [
      ['b', '10.1.0.2', 'fd00::1:2'],
      ['c', '10.2.0.10', 'fd00::2:10'],
    ] as const) {
      await lab.inHost('a', 'ping', '-c2', '-W2', v4).catch(() => to)
      await lab.inHost('a', 'ping', '-6', '-c2', '-W2', v6).catch(() => to)
    }
    await lab.rules(options.rules ?? fragmentRules)
    const hearing = (['b', 'c'] as const).map(host => run(lab, host, 'hear'))
    while (!hearing.every(({ said }) => said().includes('ready'))) await sleep(50)
    const { seed, pieces, rate, delay } = options
    const sender = run(lab, 'a', 'send', ...[seed, pieces, rate, delay].map(String))
    await once(sender.child, 'exit')
    await sleep(1_500)
    const status = await lab.stage.rig.appctl('s1', 'dpctl/ipf-get-status')
    for (const { child } of hearing) child.stdin.end()
    await Promise.all(hearing.map(({ child }) => once(child, 'exit')))
    const sent = lastJson<Record<string, ['A' | 'D', boolean, number]>>(sender.said())
    const heard = hearing.map(({ said }) => lastJson<Heard>(said()))
    const came = heard.map(each => each.came)
    const of = (number: string) => came.reduce((sum, each) => sum + (each[number] ?? 0), 0)
    const all = Object.entries(sent)
    const count = (
      isMeant: (kind: 'A' | 'D', isLate: boolean, got: number, of: number) => boolean,
    ) =>
      all.filter(([number, [kind, isLate, size]]) => isMeant(kind, isLate, of(number), size)).length
    const { items } = await lab.controller.get<{
      items: { name: string; packets: number }[]
    }>('/api/v1/rules')
    return {
      pieces: all.reduce((sum, [, [, , size]]) => sum + size, 0),
      datagrams: {
        allowed: count(kind => kind === 'A'),
        denied: count(kind => kind === 'D'),
        late: count((_, isLate) => isLate),
      },
      deniedPieces: all.reduce((sum, [number, [kind]]) => sum + (kind === 'D' ? of(number) : 0), 0),
      lost: count((kind, isLate, got, size) => kind === 'A' && !isLate && got !== size),
      inPart: count(
        (kind, isLate, got, size) => kind === 'A' && isLate && got !== 0 && got !== size,
      ),
      hits: Object.fromEntries(items.map(each => [each.name, each.packets])),
      logged: (await lab.events('rule-hit')).length,
      dropped: heard.reduce((sum, each) => sum + each.dropped, 0) + (await droppedAt(lab)),
      waiting: Number(/num frag: (\d+)/.exec(status)?.[1] ?? -1),
    }
  })
