/** pf.conf(5) as words: comments, lines that go on, macros. */
import { ImportError } from '../rule-writer.js'

export interface Word {
  /** Of a quoted one without its quotes; `\n` ends a line. */
  readonly text: string
  readonly line: number
  readonly isQuoted?: true
}

const pattern =
  /(?<space>[ \t\r]+|\\[ \t\r]*\n|#[^\n]*)|(?<end>\n)|"(?<quoted>(?:[^"\\]|\\.)*)"|(?<sign>!=|<=|>=|><|<>|[{}(),=<>!])|(?<word>(?:[^\s{}(),=<>!"#\\]|\\(?![ \t\r]*\n))+)/y

/** @throws {ImportError} for a character that begins no word */
const split = (text: string, first: number): Word[] => {
  const words: Word[] = []
  let line = first
  pattern.lastIndex = 0
  while (pattern.lastIndex < text.length) {
    const found = pattern.exec(text)
    if (found === null) throw new ImportError('a quotation mark is not closed', line)
    const { space, end, quoted, sign, word } = found.groups as Record<string, string | undefined>
    if (quoted !== undefined)
      words.push({ text: quoted.replace(/\\(.)/g, '$1'), line, isQuoted: true })
    else if (space === undefined) words.push({ text: end ?? sign ?? word!, line })
    line += found[0].split('\n').length - 1
  }
  return words
}

/** So many words may come of macros. */
const mostWords = 2_000_000

/** Words with macros in their place; definitions of macros are gone. @throws {ImportError} with the line */
export const pfWords = (text: string): readonly Word[] => {
  const macros = new Map<string, readonly Word[]>()
  const out: Word[] = []
  const put = (list: Word[], word: Word) => {
    const [, name, rest = ''] = (word.isQuoted ? null : /^\$(\w+)(.*)$/.exec(word.text)) ?? []
    const value = name === undefined ? [word] : macros.get(name)
    if (value === undefined) throw new ImportError(`the macro $${name} is not defined`, word.line)
    // `$ext:network` is one word.
    for (const [at, each] of value.entries())
      list.push({
        ...each,
        text: at === value.length - 1 && name !== undefined ? each.text + rest : each.text,
        line: word.line,
      })
    if (list.length > mostWords)
      throw new ImportError('its macros stand for too many words', word.line)
  }
  const words = split(text.endsWith('\n') ? text : `${text}\n`, 1)
  for (let at = 0; at < words.length; at++) {
    const [word, next] = [words[at]!, words[at + 1]]
    const begins = out.length === 0 || out.at(-1)!.text === '\n'
    if (!begins || word.isQuoted || next?.text !== '=' || !/^[A-Za-z_]\w*$/.test(word.text)) {
      put(out, word)
      continue
    }
    const value: Word[] = []
    for (at += 2; words[at]!.text !== '\n' || words[at]!.isQuoted; at++) {
      const part = words[at]!
      // What is quoted is read where the macro is named.
      if (part.isQuoted) for (const each of split(part.text, part.line)) put(value, each)
      else put(value, part)
    }
    macros.set(
      word.text,
      value.filter(each => each.text !== '\n'),
    )
  }
  return out
}
