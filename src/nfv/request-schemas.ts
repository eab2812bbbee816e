/** Parts of requests that many routes take, as JSON Schema. */
import Type from 'typebox'
import { policyNamePattern } from '../base/rule-file-names.js'

/** Of policies and objects. */
export const nameForm =
  'up to 63 letters, digits, dots, dashes and underscores, the first a letter or digit'

export const name = Type.String({
  pattern: policyNamePattern,
  title: nameForm,
})

/** Less than clients wait for the first octet of an answer (300 s in many). */
export const waitSeconds = Type.String({
  pattern: '^([1-9]?[0-9]|1[0-9]{2}|2[0-3][0-9]|240)$',
  title: 'seconds, 0 to 240',
  description: 'how long to wait',
})

export const nameParams = Type.Object({ name }, { additionalProperties: false })

export const nameQuery = Type.Object(
  { name: Type.Optional(Type.String({ maxLength: 256, description: 'only this one' })) },
  { additionalProperties: false },
)
