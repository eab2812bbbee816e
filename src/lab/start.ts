/** `npm start`: the office lab with its story, which then stays up to play with. */

import type { Env } from '../base/env/env.js'
import type { Endpoints } from '../base/places.js'
import { ensurePackages, isRoot, ovsNeeds } from './install.js'
import type { LabSpec } from './lab-spec.js'
import { Interrupted, loadLab, withLab } from './main.js'
import type { Teller } from './run.js'
import { addressOf } from './spec.js'

export interface StartOptions {
  readonly name: string
  /** End after the story. */
  readonly isOnce: boolean
}

/** @returns the exit code: 0 when every assertion held, 130 when somebody interrupted it */
export const startLab = async (
  env: Env,
  options: StartOptions,
  print: (text: string) => void,
  teller: Teller,
  signal: AbortSignal,
): Promise<number> => {
  const stage = isRoot() ? 'netns' : 'sim'
  if (stage === 'netns') await ensurePackages(ovsNeeds, print, signal)
  const lab = loadLab(options.name)
  print(`${lab.spec.title}: ${where[stage]}`)
  const ended = new Promise<void>(resolve => {
    if (signal.aborted) resolve()
    signal.addEventListener('abort', () => resolve())
  })
  try {
    return await withLab(
      env,
      lab,
      stage,
      teller,
      signal,
      async ({ run, controller, stage }) => {
        await run.up()
        await run.tell()
        const failed = run.assertions.filter(each => !each.ok).length
        print(`\n${run.assertions.length - failed} passed, ${failed} failed`)
        if (!options.isOnce) {
          const hosts = lab.spec.hosts.flatMap(({ name }) => {
            const words = stage.enter(name)
            return words ? [[name, words] as const] : []
          })
          print(
            `\nThe lab stays up.\n${instructions(controller.endpoints, lab.spec, Object.fromEntries(hosts))}`,
          )
          print('Ctrl-C ends it and clears up.')
          await ended
        }
        return failed === 0 ? 0 : 1
      },
      'usual',
    )
  } catch (error) {
    if (error instanceof Interrupted) return 130
    throw error
  }
}

const where = {
  netns: 'on Open vSwitch, in network namespaces',
  sim: 'on simulated switches (run as root for Open vSwitch)',
} as const

/** What to try on a lab that is up. */
export const instructions = (
  { rest }: Endpoints,
  spec: LabSpec,
  enter: Readonly<Record<string, readonly string[]>>,
): string => {
  const [host, words] = Object.entries(enter)[0] ?? []
  const other = spec.hosts.find(each => each.name !== host)!
  return [
    `API: http://${rest}/api/v1/switches   described at http://${rest}/api/v1/openapi.json`,
    `Try:  npx sluice --server http://${rest} get hosts`,
    `      npx sluice --server http://${rest} trace ${questionOf(spec)}`,
    ...(words
      ? [`      ${words.join(' ')} ping -c 3 ${addressOf(spec, other.name)}      as host ${host}`]
      : []),
  ].join('\n')
}

/** The first thing that the story tries. */
const questionOf = ({ steps, hosts }: LabSpec): string => {
  const [first] = steps.flatMap(step => ('try' in step ? [step.try] : []))
  return first
    ? `${first.from} ${first.to} ${first.protocol} ${first.port ?? ''}`.trim()
    : `${hosts[0]!.name} ${hosts.at(-1)!.name}`
}
