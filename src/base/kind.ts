/** A kind of object: its names, its JSON Schema, and what a schema cannot say. */
import { Ajv, type ValidateFunction } from 'ajv'
import Type, { type TObject, type TSchema } from 'typebox'
import { schemaMistakes } from './schema-mistakes.js'

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
  /** What of all objects of the kind together cannot be: each mistake with the name of the object that is one too many. */
  readonly checkAll?: (
    objects: readonly { readonly name: string; readonly spec: never }[],
    changed: ReadonlySet<string>,
  ) => readonly (Complaint & { readonly name: string })[]
  /** Something has to be taken down when an object goes; `ObjectKeeper.forget` says that it is. */
  readonly hasTeardown?: boolean
}

/** What something else adds to the spec of a kind. */
export interface KindMember {
  /** As in documents: `Network`. */
  readonly kind: string
  readonly name: string
  readonly schema: TSchema
  /** @param value of the member; its paths lead on from there @param spec the whole */
  readonly check?: (value: never, spec: never) => readonly Complaint[]
}

/** The kind with all members that are for it, each of which may be left out of an object. */
export const withMembers = (kind: Kind, members: readonly KindMember[]): Kind => {
  const own = members.filter(member => member.kind === kind.kind)
  if (own.length === 0) return kind
  const { properties, additionalProperties } = kind.schema as TObject & {
    additionalProperties?: boolean
  }
  const more = own.map(({ name, schema }) => [name, Type.Optional(schema)] as const)
  return {
    ...kind,
    schema: Type.Object(
      { ...properties, ...Object.fromEntries(more) },
      additionalProperties === undefined ? {} : { additionalProperties },
    ),
    check: spec => [
      ...(kind.check?.(spec) ?? []),
      ...own.flatMap(({ name, check }) => {
        const value: unknown = spec[name]
        if (value === undefined || check === undefined) return []
        return check(value as never, spec).map(({ path, message }) => ({
          path: [name, ...path],
          message,
        }))
      }),
    ],
  }
}

const validators = new WeakMap<Kind, ValidateFunction>()

const validatorOf = (kind: Kind): ValidateFunction => {
  const known = validators.get(kind)
  if (known) return known
  const validator = new Ajv({ allErrors: true, strict: false, verbose: true }).compile(kind.schema)
  validators.set(kind, validator)
  return validator
}

/** All mistakes of a spec; none when it can be taken. */
export const complaintsOf = (kind: Kind, spec: unknown): readonly Complaint[] => {
  const validate = validatorOf(kind)
  if (!validate(spec)) return schemaMistakes(validate.errors ?? [])
  return kind.check?.(spec as never) ?? []
}
