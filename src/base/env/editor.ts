/** A text in the user's own editor. */
import { spawn } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface Edited {
  readonly text: string
  /** Where it is until `drop` is called. */
  readonly path: string
  drop(): Promise<void>
}

/**
 * Runs `command FILE` in this terminal until it ends.
 *
 * @param command as in EDITOR: a program, with options if need be
 * @throws {Error} when it cannot be started, or ends with another code than 0
 */
export const editText = async (command: string, name: string, text: string): Promise<Edited> => {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-edit-'))
  const path = join(folder, name)
  const drop = () => rm(folder, { recursive: true, force: true })
  try {
    await writeFile(path, text, { mode: 0o600 })
    await ended(command, path)
    return { text: await readFile(path, 'utf8'), path, drop }
  } catch (error) {
    await drop()
    throw error
  }
}

const ended = (command: string, path: string): Promise<void> =>
  new Promise((resolve, reject) => {
    // By a shell, since EDITOR may have options; the path is an argument of its own.
    const child = spawn('sh', ['-c', `${command} "$1"`, 'sh', path], { stdio: 'inherit' })
    child.on('error', reject)
    child.on('exit', code =>
      code === 0
        ? resolve()
        : reject(
            new Error(
              `the editor "${command}" ended with ${code ?? 'a signal'}; nothing was changed`,
            ),
          ),
    )
  })
