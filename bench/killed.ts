/**
 * The shipped program, killed while three clients write: what was acknowledged and is gone, and what is torn.
 *
 *     npm run bench -- killed [KILLS]
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { killAgainAndAgain } from '../test/controller/killed.js'

export const run = async ([kills = '300']: readonly string[]): Promise<void> => {
  const home = mkdtempSync(join(tmpdir(), 'sluice-killed-'))
  const result = await killAgainAndAgain(home, Number(kills), 11)
  rmSync(home, { recursive: true, force: true })
  process.stdout.write(
    `${result.kills} kills (${result.during} while something was being written), ${result.acknowledged} acknowledged writes: ` +
      `${result.lost.length} lost, ${result.torn.length} torn\n`,
  )
  for (const each of [...result.lost, ...result.torn]) process.stdout.write(`${each}\n`)
  if (result.lost.length + result.torn.length > 0) process.exitCode = 1
}
