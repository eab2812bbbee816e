/**
 * Whose an address is, where several ports claim it: networks of different projects have the same addresses, and `allowed_address_pairs`
 * may name whole prefixes. Rules here know addresses and no ports, so one that ports with different groups share is nobody's.
 */
import { type AddressSet, isEmpty, subtract, union } from '../meaning/address-set.js'
import { bothAddresses } from './box.js'
import { addressesOf } from './condition.js'

export interface Claim {
  /** What the port has itself. */
  readonly fixed: readonly string[]
  /** What it may use as well. */
  readonly pairs: readonly string[]
  /** What is allowed to it, in one word: claims with the same one do not contest anything. */
  readonly rights: string
}

export interface Owned {
  readonly addresses: AddressSet
  /** Shared with a port that has other rights. */
  readonly shared: AddressSet
}

/** For each claim what is its own. A fixed address counts more than a pair. O(n + ranges that are wide x n) */
export const ownersOf = (claims: readonly Claim[]): Owned[] => {
  const sets = claims.map(({ fixed, pairs }) => ({
    fixed: union(fixed.map(addressesOf)),
    all: union([...fixed, ...pairs].map(addressesOf)),
  }))
  const rivals = rivalsOf(claims)
  return claims.map((_, at) => {
    const own = sets[at]!
    let { all: addresses } = own
    const shared: AddressSet[] = []
    for (const other of rivals[at]!) {
      const theirs = sets[other]!
      const contested = bothAddresses(own.all, theirs.all)
      // Theirs by right, ours as a pair: theirs.
      const isTheirs = subtract(bothAddresses(contested, theirs.fixed), own.fixed)
      const isOurs = subtract(bothAddresses(contested, own.fixed), theirs.fixed)
      const isBoth = subtract(subtract(contested, isTheirs), isOurs)
      addresses = subtract(subtract(addresses, isTheirs), isBoth)
      if (!isEmpty(isBoth)) shared.push(isBoth)
    }
    return { addresses, shared: union(shared) }
  })
}

/** By claim, the others with other rights that may share an address with it. */
const rivalsOf = (claims: readonly Claim[]): number[][] => {
  const byAddress = new Map<string, number[]>()
  const wide: number[] = []
  for (const [at, { fixed, pairs }] of claims.entries()) {
    const words = [...fixed, ...pairs]
    if (words.some(word => word.includes('/'))) wide.push(at)
    for (const word of words) byAddress.set(word, [...(byAddress.get(word) ?? []), at])
  }
  return claims.map((claim, at) => {
    const near = wide.includes(at)
      ? claims.map((_, other) => other)
      : [...wide, ...[...claim.fixed, ...claim.pairs].flatMap(word => byAddress.get(word) ?? [])]
    return [...new Set(near)].filter(
      other => other !== at && claims[other]!.rights !== claim.rights,
    )
  })
}
