/** Rule files as they are sent to a controller: the text, and the texts of what it includes. */
import { basename, dirname, join, resolve } from 'node:path'
import type { Disk } from '../../base/env/env.js'
import { isRuleFileName, passedByBecause, policyNameOf } from '../../base/rule-file-names.js'

export interface RuleFile {
  /** The policy is named after its file. */
  readonly name: string
  /** As it was written. */
  readonly path: string
  readonly source: string
  /** Text by the path that the `include` names, relative to the file that includes. */
  readonly includes: Readonly<Record<string, string>>
}

/** Reads one rule file, or every rule file of a folder, in the order of their names. */
export const readRuleFiles = async (disk: Disk, path: string): Promise<RuleFile[]> => {
  const found = await disk.stat(path)
  if (found === undefined) throw new Error(`${path}: there is no such file or folder`)
  if (!found.isFolder) return [await readRuleFile(disk, path)]
  const names = (await disk.list(path)).filter(isRuleFileName)
  return Promise.all(names.map(name => readRuleFile(disk, join(path, name))))
}

/** What of a folder looks like a rule file and is not taken, each with why. */
export const passedBy = async (disk: Disk, path: string): Promise<string[]> => {
  if ((await disk.stat(path))?.isFolder !== true) return []
  return (await disk.list(path)).flatMap(name => {
    const why = passedByBecause(name)
    return why === undefined ? [] : [`${join(path, name)} is passed by: ${why}`]
  })
}

/** More than a policy may have in octets, whatever its characters are. */
const mostOctets = 32_000_000

const readBounded = async (disk: Disk, path: string): Promise<string> => {
  const size = (await disk.stat(path))?.size ?? 0
  if (size > mostOctets)
    throw new Error(`${path}: ${size} octets are more than a policy may have; make several of it`)
  return disk.readText(path)
}

const readRuleFile = async (disk: Disk, path: string): Promise<RuleFile> => {
  const source = await readBounded(disk, path)
  const includes: Record<string, string> = Object.create(null)
  await collect(disk, dirname(path), '', source, includes)
  return { name: policyName(path), path, source, includes }
}

/** `campus` for `rules/campus.rules`. */
export const policyName = (path: string): string => policyNameOf(basename(path))

const collect = async (
  disk: Disk,
  root: string,
  folder: string,
  text: string,
  includes: Record<string, string>,
): Promise<void> => {
  for (const [, path] of text.matchAll(/^\s*include\s+"([^"]+)"/gm)) {
    const relative = join(folder, path!)
    if (Object.hasOwn(includes, relative)) continue
    const isThere = (await disk.stat(join(root, relative))) !== undefined
    // What is missing is complained about by the controller, with its place in the file.
    if (!isThere) continue
    includes[relative] = await readBounded(disk, join(root, relative))
    await collect(disk, root, dirname(relative), includes[relative]!, includes)
  }
}

/** What the API takes of a file. */
export const bodyOf = (file: RuleFile) => ({
  source: file.source,
  includes: file.includes,
  file: resolve(file.path),
})
