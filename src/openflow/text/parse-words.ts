/** Words, numbers and nested parentheses of `ovs-ofctl`'s syntax (ovs-ofctl(8), "Flow Syntax"). */

/** Text that is no flow, group or meter. */
export class FlowTextError extends Error {
  constructor(reason: string) {
    super(reason)
    this.name = 'FlowTextError'
  }
}

export interface Word {
  readonly key: string
  /** What stands behind `=` or `:` or in parentheses; empty when there is nothing. */
  readonly value: string
}

const blank = /[,\s]/
const keyEnd = /[:=(,\s]/

/** `a=1,b(c,d),e` as words; parentheses nest, and `f(x)->y` has the value `x)->y`. */
export const splitWords = (text: string): Word[] => {
  const words: Word[] = []
  let at = 0
  for (;;) {
    while (at < text.length && blank.test(text[at]!)) at++
    if (at >= text.length) return words
    const start = at
    while (at < text.length && !keyEnd.test(text[at]!)) at++
    const key = text.slice(start, at)
    const mark = text[at]
    at++
    if (mark === undefined || blank.test(mark)) {
      words.push({ key, value: '' })
      continue
    }
    const from = at
    at = valueEnd(text, from, mark === '(' ? ')' : ', \t\r\n')
    if (mark === '(' && text.startsWith(')->', at)) at = valueEnd(text, at, ', \t\r\n')
    words.push({ key, value: text.slice(from, at) })
    at++
  }
}

const valueEnd = (text: string, from: number, ends: string): number => {
  let at = from
  while (at < text.length && !ends.includes(text[at]!))
    at = text[at] === '(' ? pastParenthesis(text, at) : at + 1
  return at
}

const pastParenthesis = (text: string, from: number): number => {
  let level = 0
  let at = from
  do {
    if (at >= text.length) return at
    if (text[at] === '(') level++
    else if (text[at] === ')') level--
    at++
  } while (level > 0)
  return at
}

const numberPattern = /^(?:0[xX][0-9a-fA-F]+|[0-9]+)$/

/**
 * A whole number: decimal, `0x` hexadecimal or, behind a zero, octal.
 *
 * @throws {FlowTextError}
 */
export const parseNumber = (text: string, bits: number, what: string): bigint => {
  const isNegative = bits === 64 && text.startsWith('-')
  const digits = isNegative ? text.slice(1) : text
  if (!numberPattern.test(digits))
    throw new FlowTextError(`invalid ${what}: "${text}" is not a number`)
  const isOctal = /^0[0-7]+$/.test(digits)
  const value = BigInt(isOctal ? `0o${digits.slice(1)}` : digits)
  if (value >> BigInt(bits) !== 0n)
    throw new FlowTextError(`${what} ${text} does not fit in ${bits} bits`)
  return isNegative ? BigInt.asUintN(64, -value) : value
}

export const parseSmall = (text: string, bits: number, what: string): number =>
  Number(parseNumber(text, bits, what))

/** True for what `parseNumber` takes. */
export const isNumber = (text: string): boolean => numberPattern.test(text)

/** A decimal number alone, as tables and ports have. */
export const parseDecimal = (text: string, bits: number, what: string): number => {
  if (!/^\d+$/.test(text)) throw new FlowTextError(`unknown ${what} "${text}"`)
  return Number(parseNumber(BigInt(text).toString(), bits, what))
}

/** `7`, `0x7/0xff`: the mask is undefined when it is not given. */
export const splitMask = (text: string): [value: string, mask: string | undefined] => {
  const slash = text.indexOf('/')
  return slash < 0 ? [text, undefined] : [text.slice(0, slash), text.slice(slash + 1)]
}

/** `01.02.ff`, `0102ff` */
export const parseOctets = (text: string): Uint8Array => {
  const digits = text.replaceAll('.', '')
  if (!/^(?:[0-9a-fA-F]{2})*$/.test(digits)) throw new FlowTextError(`bad hex digits in "${text}"`)
  return Uint8Array.from(Buffer.from(digits, 'hex'))
}
