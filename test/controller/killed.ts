/** `sluice run` as a process that is killed while it writes, again and again: what was acknowledged is there. */
import { type ChildProcess, spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { SimulatedEnv } from '../../src/base/env/simulated-env.js'
import { asUsersRun } from '../program.js'

export interface Program {
  readonly child: ChildProcess
  readonly rest: string
  readonly token: string
  /** What it said on standard error, and its exit code when it has ended. */
  said(): string
  kill(signal?: NodeJS.Signals): Promise<void>
}

export const startIn = async (home: string, data: string, ...words: string[]): Promise<Program> => {
  const child = spawn(
    'env',
    asUsersRun(
      ...['run', '--data', data, '--openflow', '127.0.0.1:0', '--rest', '127.0.0.1:0'],
      ...words,
    ),
    { env: { ...process.env, HOME: home, XDG_STATE_HOME: '', XDG_DATA_HOME: '' } },
  )
  let said = ''
  child.stderr.on('data', chunk => {
    said += chunk
  })
  const gone = new Promise<void>(resolve => child.once('exit', () => resolve()))
  const line = await Promise.race([
    new Promise<string>(resolve => child.stdout.once('data', chunk => resolve(String(chunk)))),
    gone.then(() => Promise.reject(new Error(`it ended at once: ${said}`))),
  ])
  return {
    child,
    rest: `http://${/API http:\/\/(\S+)/.exec(line)![1]!}`,
    token: readFileSync(join(data, 'token'), 'utf8').trim(),
    said: () => said,
    async kill(signal = 'SIGKILL') {
      child.kill(signal)
      await gone
    },
  }
}

export const sourceOf = (n: number): string =>
  `# ${n}\nallow tcp ${1 + (n % 60_000)} from any to any\n`

export const putPolicy = (program: Program, name: string, n: number): Promise<Response> =>
  fetch(`${program.rest}/api/v1/policies/${name}`, {
    method: 'PUT',
    headers: { authorization: `Bearer ${program.token}`, 'content-type': 'application/json' },
    body: JSON.stringify({ source: sourceOf(n) }),
  })

export const policyOf = async (program: Program, name: string): Promise<number | undefined> => {
  const answer = await fetch(`${program.rest}/api/v1/policies/${name}`)
  if (answer.status === 404) return undefined
  const { source } = (await answer.json()) as { source: string }
  const n = Number(/^# (\d+)/.exec(source)?.[1])
  if (source !== sourceOf(n)) throw new Error(`half a policy: ${source}`)
  return n
}

export interface Killed {
  kills: number
  acknowledged: number
  /** Kills that came while a write was under way. */
  during: number
  lost: string[]
  torn: string[]
}

const writers = ['p', 'q', 'r']

/** @param rounds so often it is started, written to by three, and killed after a random while */
export const killAgainAndAgain = async (
  home: string,
  rounds: number,
  seed: number,
): Promise<Killed> => {
  const { random } = new SimulatedEnv({ seed })
  const data = join(home, 'data')
  const last = new Map<string, number>()
  const under = new Map<string, number>()
  const result: Killed = { kills: 0, acknowledged: 0, during: 0, lost: [], torn: [] }
  let n = 0
  for (let round = 0; round <= rounds; round++) {
    const program = await startIn(home, data)
    for (const name of writers) {
      const found = await policyOf(program, name)
      if (found !== last.get(name) && found !== under.get(name))
        result.lost.push(`${name}: ${found} where ${last.get(name)} was acknowledged`)
      if (found !== undefined) last.set(name, found)
    }
    if (/store-damaged|was damaged/.test(program.said())) result.torn.push(program.said())
    under.clear()
    if (round === rounds) {
      await program.kill('SIGTERM')
      break
    }
    let isOver = false
    const writing = writers.map(async name => {
      while (!isOver) {
        const own = ++n
        under.set(name, own)
        const answer = await putPolicy(program, name, own).catch(() => undefined)
        if (answer?.status !== 200) return
        last.set(name, own)
        under.delete(name)
        result.acknowledged++
      }
    })
    await new Promise(resolve => setTimeout(resolve, 20 + (random.uint32() % 400)))
    await program.kill()
    isOver = true
    await Promise.all(writing)
    result.kills++
    if (under.size > 0) result.during++
  }
  return result
}
