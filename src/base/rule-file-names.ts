/** Which files of a folder are rule files, and which are passed by although they end like some. */

/** Names of policies, and so of rule files without their ending. */
export const policyNamePattern = '^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$'

const policyNameShape = new RegExp(policyNamePattern)

/** `campus` for `campus.rules`. */
export const policyNameOf = (fileName: string): string => fileName.replace(/\.rules$/, '')

/** Why a file that ends in `.rules` is passed by; undefined when it is a rule file, or ends otherwise. */
export const passedByBecause = (fileName: string): string | undefined => {
  if (!/\.rules([~#]|\.sw.|\.tmp|\.bak)?$/.test(fileName)) return undefined
  if (/^[.#]|^~|[~#]$|\.sw.$|\.tmp$|\.bak$/.test(fileName))
    return 'it is hidden, or a copy that an editor keeps'
  if (!policyNameShape.test(policyNameOf(fileName)))
    return 'no policy can have its name: letters a-z, digits, ".", "_" and "-", 63 at most, beginning with a letter or digit'
  return undefined
}

export const isRuleFileName = (fileName: string): boolean =>
  fileName.endsWith('.rules') && passedByBecause(fileName) === undefined
