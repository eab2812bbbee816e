/** What the evaluators have in common: objects without a type, and addresses as numbers. */

import { parseAllDocuments } from 'yaml'
import type { Connection } from '../../pipeline/connection.js'

export type Thing = { readonly [name: string]: unknown } | undefined | null

/** All documents of a text, as JSON would have them. */
export const documentsOf = (text: string): unknown[] =>
  [...parseAllDocuments(text)].map(document => document.toJS({ maxAliasCount: 20 }) as unknown)

export const thing = (value: unknown): NonNullable<Thing> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as NonNullable<Thing>)
    : {}

export const things = (value: unknown): NonNullable<Thing>[] =>
  Array.isArray(value) ? value.map(thing) : []

export const words = (value: unknown): string[] =>
  Array.isArray(value)
    ? value.map(String)
    : value === undefined || value === null
      ? []
      : [String(value)]

/** The bits of an address: 32 of them, or 128. */
export const bitsOf = (address: string): string => {
  if (!address.includes(':'))
    return address
      .split('.')
      .map(part => Number(part).toString(2).padStart(8, '0'))
      .join('')
  const [head = '', tail] = address.split('::')
  const groups = (text: string) => (text === '' ? [] : text.split(':'))
  const front = groups(head)
  const back = tail === undefined ? [] : groups(tail)
  const zeros = tail === undefined ? 0 : 8 - front.length - back.length
  return [...front, ...Array<string>(zeros).fill('0'), ...back]
    .map(group => Number.parseInt(group, 16).toString(2).padStart(16, '0'))
    .join('')
}

/** Whether an address is in `10.0.0.0/8`, or is `10.0.0.1` itself. */
export const isWithin = (address: string, prefix: string): boolean => {
  const [base = '', length] = prefix.split('/')
  const [bits, wanted] = [bitsOf(address), bitsOf(base)]
  const count = length === undefined ? wanted.length : Number(length)
  return bits.length === wanted.length && bits.slice(0, count) === wanted.slice(0, count)
}

export const isV6 = (address: string): boolean => address.includes(':')

export const hasPorts = ({ protocol }: Connection): boolean => [6, 17, 132].includes(protocol)
