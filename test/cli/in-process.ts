/** The command line in this process: what it printed, what it complained of, and its exit code. */
import { pino } from 'pino'
import { editText } from '../../src/base/env/editor.js'
import { realEnv } from '../../src/base/env/real-env.js'
import { runCommand } from '../../src/base/env/run-command.js'
import type { Cli } from '../../src/cli/cli.js'
import { runCli } from '../../src/cli/main.js'
import { checkFiles } from '../../src/nfv/firewall/meaning/check-files.js'
import { type FilesQuestion, traceFiles } from '../../src/nfv/firewall/meaning/trace-files.js'
import type { Office } from '../controller/office.js'

export interface Said {
  readonly code: number
  readonly out: string
  readonly err: string
}

const env = realEnv(pino({ level: 'silent' }))

/** Runs `sluice WORDS`; with a controller, that one is meant, unless there are other variables. */
export const sluice = async (
  at: Office | undefined,
  words: readonly string[],
  signal: AbortSignal = new AbortController().signal,
  variables?: Readonly<Record<string, string>>,
  run: Cli['run'] = runCommand,
): Promise<Said> => {
  const out: string[] = []
  const err: string[] = []
  const code = await runCli(
    {
      disk: env.disk,
      version: '0.0.0',
      variables: variables
        ? variables
        : at
          ? { SLUICE_SERVER: `http://${at.rest}`, SLUICE_TOKEN: at.token, USER: 'ann' }
          : { SLUICE_SERVER: 'http://127.0.0.1:9' },
      print: text => out.push(text),
      complain: text => err.push(text),
      edit: (name, text) => editText(variables?.EDITOR ?? 'false', name, text),
      readInput: async () => '',
      run,
      wallMillis: () => env.clock.wallMillis(),
      signal,
      pause: millis =>
        new Promise(resolve => {
          env.timers.after(millis, resolve)
          signal.addEventListener('abort', () => resolve())
        }),
      checkRules: async (files, notes, known) =>
        checkFiles(files, env.clock.wallMillis(), notes, () => false, known),
      traceRules: async (files, question, known) =>
        traceFiles(files, question as unknown as FilesQuestion, known, env.clock.wallMillis()),
    },
    words,
    async () => undefined,
  )
  return { code, out: out.join('\n'), err: err.join('\n') }
}
