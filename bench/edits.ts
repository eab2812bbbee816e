/**
 * Random edits of the rules under load on real Open vSwitch: what is kept loses nothing, what is cut carries nothing.
 * Needs root.
 *
 *     npm run bench -- edits [EDITS] [SESSIONS] [SEED]      default 200 edits, 50 sessions
 */
import { pino } from 'pino'
import { realEnv } from '../src/base/env/real-env.js'
import { editUnderLoad } from '../test/lab/edits.js'

export const run = async (words: readonly string[]): Promise<void> => {
  const [edits = 200, sessions = 50, seed = 1] = words.map(Number)
  const env = realEnv(pino({ level: 'silent' }))
  const { complaints, kept, cut, resumed } = await editUnderLoad(env, seed, edits, sessions)
  for (const each of complaints.slice(0, 5)) console.log(each)
  console.log(
    `${edits} edits, ${sessions} sessions, seed ${seed}: kept ${kept}, cut ${cut}, resumed ${resumed}, ${complaints.length} complaints`,
  )
  if (complaints.length > 0) process.exitCode = 1
}
