/** A kind of object: its names, its JSON Schema, and what a schema cannot say. */
import { Ajv, type ErrorObject, type ValidateFunction } from 'ajv'
import type { TSchema } from 'typebox'

/** A mistake in an object's spec; the path leads to it from the spec. */
export interface Complaint {
  readonly path: readonly string[]
  readonly message: string
}

export interface Kind {
  /** As in documents: `Switch`. */
  readonly kind: string
  /** As in addresses and keys: `switch`. */
  readonly path: string
  readonly plural: string
  readonly summary: string
  readonly schema: TSchema
  readonly check?: (spec: never) => readonly Complaint[]
  /** Something has to be taken down when an object goes; `ObjectKeeper.forget` says that it is. */
  readonly hasTeardown?: boolean
}

const validators = new WeakMap<Kind, ValidateFunction>()

const validatorOf = (kind: Kind): ValidateFunction => {
  const known = validators.get(kind)
  if (known) return known
  const validator = new Ajv({ allErrors: true, strict: false }).compile(kind.schema)
  validators.set(kind, validator)
  return validator
}

/** All mistakes of a spec; none when it can be taken. */
export const complaintsOf = (kind: Kind, spec: unknown): readonly Complaint[] => {
  const validate = validatorOf(kind)
  if (!validate(spec)) return merge(validate.errors ?? [])
  return kind.check?.(spec as never) ?? []
}

/** The same place is complained about once. */
const merge = (errors: readonly ErrorObject[]): Complaint[] => {
  const complaints = new Map<string, Complaint>()
  for (const error of errors) {
    const complaint = complaintOf(error)
    const key = complaint.path.join('/')
    if (!complaints.has(key)) complaints.set(key, complaint)
  }
  return [...complaints.values()]
}

const complaintOf = ({ instancePath, keyword, params, message }: ErrorObject): Complaint => {
  const path = instancePath
    .split('/')
    .slice(1)
    .map(part => part.replaceAll('~1', '/').replaceAll('~0', '~'))
  const named = params as Record<string, unknown>
  if (keyword === 'additionalProperties')
    return {
      path: [...path, String(named.additionalProperty)],
      message: 'there is nothing of this name here',
    }
  if (keyword === 'required')
    return { path, message: `${String(named.missingProperty)} is missing` }
  if (keyword === 'enum')
    return { path, message: `must be one of ${(named.allowedValues as unknown[]).join(', ')}` }
  return { path, message: message ?? keyword }
}
