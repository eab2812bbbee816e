/**
 * Rows in one form for comparing, whoever wrote them: Open vSwitch gives back what we sent with its fields
 * in another order, defaults left out and prerequisites filled in.
 */
import { type FieldName, fieldByName } from '../openflow/oxm.js'
import type { Action, Bucket, FieldValue, Instruction, Masked, Match } from '../openflow/values.js'
import type { Flow, Group, Meter } from './program.js'
import { tableId } from './tables.js'

export interface CanonicalFlow {
  /** Table, priority and match: what makes a row the same row. */
  readonly key: string
  /** Cookie, actions and timeouts: what makes it the same in content. */
  readonly body: string
  readonly cookie: bigint
  readonly strict: StrictMatch
}

/** What a strict delete needs. */
export type StrictMatch = Pick<Flow, 'priority' | 'match'> & { readonly tableId: number }

/**
 * A row carries its canonical form itself: a weak map of a hundred thousand rows costs the garbage collector
 * more than everything else that is done with them.
 */
const form = Symbol('canonical form')
type Remembering = Flow & { [form]?: CanonicalFlow }

export const canonicalFlow = (flow: Remembering): CanonicalFlow => {
  let found = flow[form]
  if (found === undefined) {
    const { cookie, idleTimeoutSeconds, match, priority } = flow
    const strict = { tableId: tableId[flow.table], priority, match }
    found = {
      key: flowKey(strict.tableId, priority, match),
      body: flowBody(cookie, idleTimeoutSeconds ?? 0, instructionsOf(flow)),
      cookie,
      strict,
    }
    flow[form] = found
  }
  return found
}

/** The instructions that carry a row. */
export const instructionsOf = (flow: Flow): Instruction[] => [
  ...(flow.actions.length > 0 ? [{ kind: 'apply-actions', actions: flow.actions } as const] : []),
  ...(flow.goto === undefined ? [] : [{ kind: 'goto-table', table: tableId[flow.goto] } as const]),
]

export const flowKey = (table: number, priority: number, match: Match): string =>
  `${table} ${priority} ${matchText(match)}`

export const flowBody = (
  cookie: bigint,
  idleTimeoutSeconds: number,
  instructions: readonly Instruction[],
): string => `${cookie} ${idleTimeoutSeconds} ${instructions.map(instructionText).join(' ')}`

const matchText = (match: Match): string => {
  const names = (Object.keys(match) as (keyof Match)[]).filter(name => match[name] !== undefined)
  return sorted(names)
    .map(name => (name === 'unknown' ? stable(match.unknown) : conditionText(name, match[name]!)))
    .join()
}

/** In place. They are few: to sort them so takes half of what the engine's own way takes. */
const sorted = <T extends string>(names: T[]): T[] => {
  for (let end = 1; end < names.length; end++) {
    const name = names[end]!
    let at = end
    for (; at > 0 && names[at - 1]! > name; at--) names[at] = names[at - 1]!
    names[at] = name
  }
  return names
}

const conditionText = (name: FieldName, wanted: FieldValue | Masked): string => {
  if (typeof wanted !== 'object') return `${name}=${wanted}`
  if (isFull(name, wanted.mask)) return `${name}=${wanted.value}`
  return `${name}=${wanted.value}/${wanted.mask}`
}

const fullMasks = new Map<FieldName, bigint>()

const fullMask = (name: FieldName): bigint => {
  let mask = fullMasks.get(name)
  if (mask === undefined) {
    mask = (1n << BigInt(fieldByName.get(name)?.bits ?? 32)) - 1n
    fullMasks.set(name, mask)
  }
  return mask
}

const isFull = (name: FieldName, mask: FieldValue): boolean => {
  const full = fullMask(name)
  return typeof mask === 'number' && full <= 0xffff_ffffn
    ? mask === Number(full)
    : BigInt(mask) === full
}

const instructionText = (instruction: Instruction): string =>
  instruction.kind === 'apply-actions' || instruction.kind === 'write-actions'
    ? `${instruction.kind}(${instruction.actions.map(actionText).join()})`
    : stable(instruction)

/** Defaults that a switch leaves out or fills in. */
const defaults: Readonly<Record<string, unknown>> = {
  controllerId: 0,
  reason: 1,
  meter: 0,
  pause: false,
  commit: false,
  force: false,
  alg: 0,
  weight: 0,
}

export const actionText = (action: Action): string => {
  if (action.kind === 'output') return `output:${action.port}`
  if (action.kind === 'controller') return stable({ ...action, maxLength: undefined })
  return stable(action)
}

/** JSON with sorted keys, bigints and octets as text, and defaults left out. */
const stable = (value: unknown): string => {
  if (typeof value === 'bigint') return String(value)
  if (value instanceof Uint8Array) return `x${Buffer.from(value).toString('hex')}`
  if (Array.isArray(value)) return `[${value.map(stable).join()}]`
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  const parts = value as Readonly<Record<string, unknown>>
  const texts: string[] = []
  for (const name of sorted(Object.keys(parts))) {
    const part = parts[name]
    if (part !== undefined && defaults[name] !== part) texts.push(`${name}:${stable(part)}`)
  }
  return `{${texts.join()}}`
}

export const groupBody = (type: string, buckets: readonly Bucket[]): string =>
  `${type} ${buckets.map(bucket => bucketText(type, bucket)).join(' ')}`

const anyPort = 0xffffffff

const bucketText = (type: string, bucket: Bucket): string => {
  const weight = type === 'select' ? (bucket.weight ?? 1) : 0
  const port = bucket.watchPort ?? anyPort
  const group = bucket.watchGroup ?? anyPort
  return `${weight}/${port}/${group}/${bucket.actions.map(actionText).join()}`
}

export const canonicalGroup = (group: Group): string => groupBody(group.type, group.buckets)

export const meterBody = (
  unit: 'kbps' | 'pktps',
  bands: readonly { type: string; rate: number; burstSize: number }[],
): string => `${unit} ${bands.map(band => `${band.type}/${band.rate}/${band.burstSize}`).join()}`

export const canonicalMeter = (meter: Meter): string => meterBody(meter.unit, meter.bands)
