/** Matches as sets of packets: which contains which, and which have packets in common. */
import { type FieldName, fieldByName } from '../openflow/oxm.js'
import type { FieldValue, Masked, Match } from '../openflow/values.js'
import { Refusal } from './refusal.js'

/**
 * The same match in the form a switch keeps: a mask of all ones is none, one of zeros no condition.
 *
 * @throws {Refusal} OFPBMC_BAD_FIELD for fields that have no name
 */
export const normalMatch = (match: Match): Match => {
  if (match.unknown !== undefined && match.unknown.length > 0) throw new Refusal('OFPBMC_BAD_FIELD')
  const normal: Record<string, FieldValue | Masked> = {}
  for (const name of namesOf(match)) {
    const wanted = match[name]!
    if (typeof wanted !== 'object') normal[name] = wanted
    else if (BigInt(wanted.mask) === fullMask(name)) normal[name] = wanted.value
    else if (BigInt(wanted.mask) !== 0n) normal[name] = wanted
  }
  return normal as Match
}

/** True when every packet of `inner` is one of `outer`. */
export const isWithin = (inner: Match, outer: Match): boolean => {
  for (const name of namesOf(outer)) {
    const own = inner[name]
    if (own === undefined) return false
    const wide = bitsOf(name, outer[name]!)
    const narrow = bitsOf(name, own)
    if ((narrow.mask & wide.mask) !== wide.mask) return false
    if ((narrow.value & wide.mask) !== wide.value) return false
  }
  return true
}

/** True when some packet is in both. */
export const overlaps = (a: Match, b: Match): boolean => {
  for (const name of namesOf(a)) {
    const other = b[name]
    if (other === undefined) continue
    const one = bitsOf(name, a[name]!)
    const two = bitsOf(name, other)
    const common = one.mask & two.mask
    if ((one.value & common) !== (two.value & common)) return false
  }
  return true
}

const namesOf = (match: Match): FieldName[] =>
  (Object.keys(match) as (keyof Match)[]).filter(
    (name): name is FieldName => name !== 'unknown' && match[name] !== undefined,
  )

const bitsOf = (name: FieldName, wanted: FieldValue | Masked) =>
  typeof wanted === 'object'
    ? { value: BigInt(wanted.value), mask: BigInt(wanted.mask) }
    : { value: BigInt(wanted), mask: fullMask(name) }

const fullMasks = new Map<FieldName, bigint>()

const fullMask = (name: FieldName): bigint => {
  let mask = fullMasks.get(name)
  if (mask === undefined) {
    mask = (1n << BigInt(fieldByName.get(name)?.bits ?? 32)) - 1n
    fullMasks.set(name, mask)
  }
  return mask
}
