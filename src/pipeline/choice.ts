/**
 * Which bucket of a group, which member of a bundle, which number of a multipath a packet gets. From the same
 * fields as Open vSwitch: a select group leaves ports of UDP out, unless `symmetric_l3l4+udp` asks for them. Which
 * one it is differs, how the choices are spread does not.
 */
import {
  type Action,
  type Bucket,
  type FieldValue,
  type GroupType,
  type HashFields,
  ports,
} from '../openflow/values.js'
import type { Fields } from './packet.js'

/** A group as packets meet it. */
export interface RunGroup {
  readonly type: GroupType
  readonly buckets: readonly Bucket[]
}

/** What of a switch decides. */
export interface Liveness {
  group(id: number): RunGroup | undefined
  isLive(port: number): boolean
}

/** Bounds on groups that name each other. */
export const maxGroupDepth = 64

const isAlive = (view: Liveness, bucket: Bucket, depth = 0): boolean => {
  const isPortWatched = bucket.watchPort !== undefined && bucket.watchPort !== ports.any
  const isGroupWatched = bucket.watchGroup !== undefined && bucket.watchGroup !== ports.any
  if (!isPortWatched && !isGroupWatched) return true
  if (isPortWatched && view.isLive(bucket.watchPort)) return true
  const watched = isGroupWatched ? view.group(bucket.watchGroup) : undefined
  if (watched === undefined || depth >= maxGroupDepth) return false
  return watched.buckets.some(inner => isAlive(view, inner, depth + 1))
}

/** The method of select groups in OpenFlow 1.3: dp_hash over what `symmetric_l3l4` is made of. */
const ofGroups: HashFields = { fields: 'symmetric_l3l4', basis: 0 }

export const chosenBuckets = (
  view: Liveness,
  { buckets, type }: RunGroup,
  fields: Fields,
): readonly Bucket[] => {
  if (type === 'all') return buckets
  if (type === 'indirect') return buckets.slice(0, 1)
  if (type === 'ff') {
    const first = buckets.find(bucket => isAlive(view, bucket))
    return first ? [first] : []
  }
  const weights = buckets.map(bucket => (isAlive(view, bucket) ? (bucket.weight ?? 1) : 0))
  const chosen = heaviest(hashOf(ofGroups, fields), weights)
  return chosen === undefined ? [] : [buckets[chosen]!]
}

/** The port that a bundle sends to; none when all are dead. */
export const chosenMember = (
  { algorithm, hash, ports: members }: Extract<Action, { kind: 'bundle' }>,
  fields: Fields,
  isLive: (port: number) => boolean,
): number | undefined => {
  if (algorithm === 'active_backup') return members.find(isLive)
  const weights = members.map(port => (isLive(port) ? 1 : 0))
  const chosen = heaviest(hashOf(hash, fields), weights)
  return chosen === undefined ? undefined : members[chosen]
}

/** One of so many, 0 and up. */
export const oneOf = (hash: number, count: number): number =>
  heaviest(hash, new Array<number>(count).fill(1)) ?? 0

/**
 * By highest random weight: when a choice goes or comes, only those packets have another that had it, or get it.
 * None when all have weight 0.
 */
const heaviest = (hash: number, weights: readonly number[]): number | undefined => {
  let best = -1
  let chosen: number | undefined
  for (const [index, weight] of weights.entries()) {
    if (weight === 0) continue
    const score = weight * (mix(hash ^ mix(index + 1)) & 0xffff)
    if (score <= best) continue
    best = score
    chosen = index
  }
  return chosen
}

/** The finaliser of MurmurHash3: every bit of the input moves half of the output. */
const mix = (value: number): number => {
  let hash = value | 0
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return (hash ^ (hash >>> 16)) >>> 0
}

/** The same for both directions of a connection where the fields are those of both sides. */
export const hashOf = ({ fields: name, basis }: HashFields, fields: Fields): number => {
  const source = fields.ip_src ?? fields.ipv6_src
  const destination = fields.ip_dst ?? fields.ipv6_dst
  if (name === 'nw_src') return mix(side(source) ^ basis)
  if (name === 'nw_dst') return mix(side(destination) ^ basis)
  if (name === 'eth_src') return mix(side(fields.eth_src) ^ basis)
  if (name === 'symmetric_l3') return mix(side(source) ^ side(destination) ^ basis)
  const hasUdp = name === 'symmetric_l3l4+udp'
  const a = side(source ?? fields.eth_src, fields.tcp_src ?? (hasUdp ? fields.udp_src : undefined))
  const b = side(
    destination ?? fields.eth_dst,
    fields.tcp_dst ?? (hasUdp ? fields.udp_dst : undefined),
  )
  return mix(a ^ b ^ basis)
}

const side = (...values: readonly (FieldValue | undefined)[]): number =>
  values.reduce<number>(
    (hash, value) => (Math.imul(hash, 31) + Number(BigInt.asUintN(32, BigInt(value ?? 0)))) >>> 0,
    7,
  )
