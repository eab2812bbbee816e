/** Calico's selectors (projectcalico.org/v3, "Selectors"): expressions about labels. */
import { ImportError } from '../rule-writer.js'

type Labels = Readonly<Record<string, string>>
export type Chooser = (labels: Labels) => boolean

/** @throws {ImportError} for what is no selector */
export const readSelector = (text: string, path: string): Chooser => new Reader(text, path).read()

const tokens = /\s*(\|\||&&|==|!=|!|\(|\)|\{|\}|,|'[^']*'|"[^"]*"|[A-Za-z0-9_./-]+)/y

class Reader {
  readonly #text: string
  readonly #path: string
  readonly #tokens: string[] = []
  #at = 0

  constructor(text: string, path: string) {
    this.#text = text
    this.#path = path
    tokens.lastIndex = 0
    let end = 0
    for (let found = tokens.exec(text); found !== null; found = tokens.exec(text)) {
      this.#tokens.push(found[1]!)
      end = tokens.lastIndex
    }
    if (text.slice(end).trim() !== '') this.#fail()
  }

  read(): Chooser {
    const chosen = this.#either()
    if (this.#at < this.#tokens.length) this.#fail()
    return chosen
  }

  #either(): Chooser {
    const parts = [this.#all()]
    while (this.#skip('||')) parts.push(this.#all())
    return labels => parts.some(part => part(labels))
  }

  #all(): Chooser {
    const parts = [this.#one()]
    while (this.#skip('&&')) parts.push(this.#one())
    return labels => parts.every(part => part(labels))
  }

  #one(): Chooser {
    if (this.#skip('!')) {
      const inner = this.#one()
      return labels => !inner(labels)
    }
    if (this.#skip('(')) {
      const inner = this.#either()
      this.#expect(')')
      return inner
    }
    const word = this.#take()
    if (!/^[A-Za-z0-9_./-]+$/.test(word)) this.#fail()
    if (this.#skip('(')) return this.#call(word)
    const labelOf = (labels: Labels) => (Object.hasOwn(labels, word) ? labels[word] : undefined)
    const operator = this.#take()
    if (operator === '==' || operator === '!=') {
      const wanted = this.#string()
      return labels => (labelOf(labels) === wanted) === (operator === '==')
    }
    if (operator === 'in') return this.#among(labelOf, true)
    if (operator === 'not' && this.#skip('in')) return this.#among(labelOf, false)
    if (operator === 'contains') {
      const wanted = this.#string()
      return labels => labelOf(labels)?.includes(wanted) ?? false
    }
    if ((operator === 'starts' || operator === 'ends') && this.#skip('with')) {
      const wanted = this.#string()
      return labels => {
        const value = labelOf(labels)
        return (
          (operator === 'starts' ? value?.startsWith(wanted) : value?.endsWith(wanted)) ?? false
        )
      }
    }
    return this.#fail()
  }

  #call(name: string): Chooser {
    if (name === 'all' && this.#skip(')')) return () => true
    if (name !== 'has') this.#fail()
    const label = this.#take()
    this.#expect(')')
    return labels => Object.hasOwn(labels, label)
  }

  #among(labelOf: (labels: Labels) => string | undefined, isIn: boolean): Chooser {
    const list: string[] = []
    this.#expect('{')
    while (!this.#skip('}')) {
      list.push(this.#string())
      this.#skip(',')
    }
    return labels => {
      const value = labelOf(labels)
      return (value !== undefined && list.includes(value)) === isIn
    }
  }

  #string(): string {
    const token = this.#take()
    if (!/^(['"]).*\1$/.test(token)) this.#fail()
    return token.slice(1, -1)
  }

  #take(): string {
    const token = this.#tokens[this.#at++]
    return token ?? this.#fail()
  }

  #skip(token: string): boolean {
    if (this.#tokens[this.#at] !== token) return false
    this.#at++
    return true
  }

  #expect(token: string): void {
    if (!this.#skip(token)) this.#fail()
  }

  #fail(): never {
    throw new ImportError(`${this.#path}: the selector "${this.#text}" is not understood`)
  }
}
