/** A remark: what is legal and most likely a mistake, the lines it is about, and the edit that would mend it. */

export type RemarkKind =
  | 'shadowed'
  | 'redundant'
  | 'conflicting'
  | 'unreachable'
  | 'too-wide'
  | 'never-hit'
  | 'unused'
  | 'expired'
  | 'empty'
  /** A name that several switches have. */
  | 'ambiguous'
  | 'defaults'
  | 'not-enforced'
  /** There was too much to compare. */
  | 'unfinished'

/** A line of a file, counted from 1. */
export interface Place {
  readonly file: string
  readonly line: number
}

/** What to do with the remark's own line. */
export type Edit =
  | { readonly do: 'remove' }
  | { readonly do: 'move-above'; readonly above: Place }
  /** @property text of the whole line */
  | { readonly do: 'replace'; readonly text: string }

export interface Remark extends Place {
  readonly kind: RemarkKind
  /** `note` is said only when asked for. */
  readonly level: 'warning' | 'note'
  /** The other line that has a part in it. */
  readonly otherFile?: string
  readonly otherLine?: number
  readonly message: string
  /** What to do, for people; says the edit where there is one. */
  readonly hint: string
  readonly edit?: Edit
}

export const whereOf = ({ file, line }: Place): string => `${file}:${line}`

interface More {
  readonly other?: Place
  readonly level?: Remark['level']
  readonly edit?: Edit
  /** Instead of what the edit says, or behind it where it begins with a comma. */
  readonly hint?: string
}

export const remarkOn = (
  kind: RemarkKind,
  { file, line }: Place,
  message: string,
  { other, level = 'warning', edit, hint = '' }: More,
): Remark => ({
  kind,
  level,
  file,
  line,
  ...(other && { otherFile: other.file, otherLine: other.line }),
  message,
  hint: edit && (hint === '' || hint.startsWith(',')) ? `${editText(line, edit)}${hint}` : hint,
  ...(edit && { edit }),
})

const editText = (line: number, edit: Edit): string => {
  switch (edit.do) {
    case 'remove':
      return `remove line ${line}`
    case 'move-above':
      return `move line ${line} above ${whereOf(edit.above)}`
    case 'replace':
      return `write line ${line} as: ${edit.text.trim()}`
  }
}

export const formatRemark = (remark: Remark): string =>
  `${whereOf(remark)}: ${remark.message}\n  ${remark.hint}`

/** In the order of the files' lines. */
export const byPlace = (a: Place, b: Place): number =>
  a.file === b.file ? a.line - b.line : a.file < b.file ? -1 : 1
