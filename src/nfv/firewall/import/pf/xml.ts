/** As much of XML 1.0 as the configuration of a firewall needs: elements, text, CDATA; no entities of its own, no document type. */
import { ImportError } from '../rule-writer.js'

export interface Element {
  readonly name: string
  /** Where it begins, 1-based. */
  readonly line: number
  readonly children: readonly Element[]
  /** What stands in it beside its children, trimmed. */
  readonly text: string
}

const entities: Readonly<Record<string, string>> = {
  amp: '&',
  lt: '<',
  gt: '>',
  quot: '"',
  apos: "'",
}

const plain = (text: string, line: number): string =>
  text.replace(/&([^;\s]{1,12});/g, (_, name: string) => {
    if (Object.hasOwn(entities, name)) return entities[name]!
    const code = /^#(?:x([0-9a-f]+)|(\d+))$/i.exec(name)
    const point =
      code === null ? Number.NaN : Number.parseInt(code[1] ?? code[2]!, code[1] ? 16 : 10)
    if (!(point > 0 && point <= 0x10ffff)) throw new ImportError(`&${name}; is not known`, line)
    return String.fromCodePoint(point)
  })

const pattern =
  /<!--[\s\S]*?-->|<\?[\s\S]*?\?>|<!\[CDATA\[([\s\S]*?)\]\]>|<\/([^\s>]+)\s*>|<([A-Za-z_(][^\s/>]*)((?:\s[^<>]*?)?)(\/?)>|([^<]+)/y

/** So deep elements may stand in one another. */
const deepest = 64

/** The outermost element. @throws {ImportError} with the line */
export const readXml = (text: string): Element => {
  interface Open {
    name: string
    line: number
    children: Element[]
    text: string
  }
  const root: Open = { name: '', line: 1, children: [], text: '' }
  const open: Open[] = [root]
  let line = 1
  pattern.lastIndex = text.startsWith('\ufeff') ? 1 : 0
  while (pattern.lastIndex < text.length) {
    const found = pattern.exec(text)
    if (found === null) throw new ImportError('this is no XML', line)
    const [whole, literal, closed, begun, , isEmpty, words] = found
    const self = open.at(-1)!
    if (literal !== undefined) self.text += literal
    else if (words !== undefined) self.text += plain(words, line)
    else if (begun !== undefined) {
      const child: Open = { name: begun, line, children: [], text: '' }
      self.children.push(child)
      if (isEmpty !== '/') open.push(child)
      if (open.length > deepest)
        throw new ImportError('elements stand too deep in one another', line)
    } else if (closed !== undefined) {
      if (open.length < 2 || self.name !== closed)
        throw new ImportError(`</${closed}> closes nothing that is open`, line)
      self.text = self.text.trim()
      open.pop()
    }
    line += whole.split('\n').length - 1
  }
  const [first, ...others] = root.children
  if (first === undefined || others.length > 0 || open.length > 1 || root.text.trim() !== '')
    throw new ImportError('this is no XML document', open.at(-1)!.line)
  return first
}

export const childrenOf = (element: Element | undefined, name: string): readonly Element[] =>
  element?.children.filter(child => child.name === name) ?? []

export const childOf = (
  element: Element | undefined,
  ...path: readonly string[]
): Element | undefined =>
  path.reduce((found, name) => found?.children.find(child => child.name === name), element)
