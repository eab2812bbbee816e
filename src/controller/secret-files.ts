/** Files of keys and certificates that a setting names. */
import type { Env } from '../base/env/env.js'
import { Failure } from '../base/failures.js'

/**
 * A key that others could read is refused; what cannot be read is told with the setting's name.
 *
 * @param setting as people write it: `rest.tls`
 * @returns reads a file of the setting
 * @throws {Failure} `unsafe-file`; the reader throws `bad-request`
 */
export const secretFiles = async (
  { disk }: Env,
  setting: string,
  key: string,
): Promise<(path: string) => Promise<string>> => {
  const found = await disk.stat(key)
  if (found !== undefined && (found.mode & 0o077) !== 0)
    throw new Failure('unsafe-file', { path: key })
  return async path => {
    try {
      return await disk.readText(path)
    } catch (cause) {
      throw new Failure(
        'bad-request',
        { detail: `${setting}: the file ${path} cannot be read.` },
        { cause },
      )
    }
  }
}
