/** Takes a backup of a data folder, while its controller runs or not, and makes a folder of one. */
import { join } from 'node:path'
import type { Env } from '../../base/env/env.js'
import { Failure } from '../../base/failures.js'
import { isRuleFileName } from '../../base/rule-file-names.js'
import { type Read, readJournal, writeWhole } from '../store/journal.js'
import { schemaKey, schemaVersion } from '../store/journal-store.js'
import { lockFolder } from '../store/lock.js'
import type { Contents } from '../store/memory-store.js'
import { type RuleText, readArchive, writeArchive } from './archive.js'

const storeFiles = (folder: string) => [join(folder, 'store.mdb'), join(folder, 'store.copy')]

/** What is counted of a backup. */
export interface Told {
  readonly keys: number
  readonly files: number
}

/**
 * Every transaction that was acknowledged before is in it: both files of a store hold it by then.
 *
 * @throws {Failure} `store-damaged` when there is no store, or neither of its files can be believed
 */
const contentsOf = async (env: Env, folder: string): Promise<Contents> => {
  const [path] = storeFiles(folder)
  const found = await Promise.all(
    storeFiles(folder).map(async each => {
      const stat = await env.disk.stat(each)
      if (stat === undefined) return { damage: 'it is missing' }
      return readJournal(await env.disk.readBytes(each, 0, stat.size))
    }),
  )
  const read = found.filter((each): each is Read => 'contents' in each)
  const newest = read.sort((a, b) => b.contents.rev - a.contents.rev)[0]
  if (newest) return newest.contents
  const why = found.map(each => ('damage' in each ? each.damage : '')).join('; the copy: ')
  throw new Failure('store-damaged', { path, why: `Neither file of the store can be read: ${why}` })
}

const ruleTexts = async (env: Env, folder: string): Promise<RuleText[]> => {
  const rules = join(folder, 'rules')
  if ((await env.disk.stat(rules))?.isFolder !== true) return []
  const names = (await env.disk.list(rules)).filter(isRuleFileName)
  return Promise.all(
    names.map(async name => ({
      file: `rules/${name}`,
      text: await env.disk.readText(join(rules, name)),
    })),
  )
}

/** Writes the backup of a data folder to a file of mode 0600. */
export const backUp = async (
  env: Env,
  folder: string,
  path: string,
  program: string,
): Promise<Told> => {
  const [contents, files] = [await contentsOf(env, folder), await ruleTexts(env, folder)]
  const made = new Date(env.clock.wallMillis()).toISOString()
  await env.disk.writeText(path, writeArchive({ contents, files }, { program, made }), 0o600)
  return { keys: contents.byKey.size, files: files.length }
}

/**
 * Makes the store of a data folder that has none.
 *
 * @throws {Failure} `already-running` when a controller has the folder, `store-there`, `backup-damaged`,
 *   `backup-too-new`, `store-too-new`
 */
export const restore = async (env: Env, folder: string, path: string): Promise<Told> => {
  const { contents, files } = readArchive(path, await env.disk.readText(path))
  const schema = contents.byKey.get(schemaKey)?.value as { version?: number } | undefined
  if ((schema?.version ?? 0) > schemaVersion) throw new Failure('store-too-new', { path })
  await env.disk.makeFolder(folder, 0o700)
  const lock = await lockFolder(env, folder)
  try {
    for (const each of storeFiles(folder))
      if ((await env.disk.stat(each)) !== undefined)
        throw new Failure('store-there', { path: each })
    const image = [...writeWhole(contents)].map(({ bytes }) => Buffer.from(bytes).toString('utf8'))
    if (files.length > 0) await env.disk.makeFolder(join(folder, 'rules'), 0o700)
    for (const { file, text } of files) await env.disk.writeText(join(folder, file), text, 0o600)
    for (const each of storeFiles(folder)) await env.disk.writeText(each, image.join(''), 0o600)
    await env.disk.syncFolder(folder)
  } finally {
    await lock.release()
  }
  return { keys: contents.byKey.size, files: files.length }
}
