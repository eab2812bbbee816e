/** Policies as the API takes and gives them: as the text of a rule file, or as its statements. */
import type { Static } from 'typebox'
import { Failure } from '../../../base/failures.js'
import type { PolicyWish } from '../service/policy.js'
import { specOf, textOfSpec } from '../text/json.js'
import { parse } from '../text/parse.js'
import type { PolicySpec } from '../text/schema.js'
import type { policyBody } from './schemas.js'

type Body = Static<typeof policyBody>

/** @throws {Failure} `bad-request` unless there is one of text and statements; `bad-rules` */
export const wishOf = (name: string, { spec, source, ...more }: Body): PolicyWish => {
  if ((spec === undefined) === (source === undefined))
    throw new Failure('bad-request', {
      detail: `Policy ${name} takes "source", the text of a rule file, or "spec", its statements: one of them.`,
    })
  return { ...more, name, source: source ?? textOf(name, spec!) }
}

const textOf = (name: string, spec: PolicySpec): string => {
  const { text, mistakes } = textOfSpec(spec)
  if (mistakes.length === 0) return text
  throw new Failure('bad-rules', {
    complaints: mistakes.map(({ statement, path, message, hint }) => ({
      file: `${name}.rules`,
      line: statement + 1,
      column: 1,
      message,
      hint,
      text: `policy ${name}, spec.statements[${statement}].${path}: ${message}\n  hint: ${hint}`,
    })),
  })
}

/** The statements of a policy that is kept: it has no mistakes. */
export const specOfSource = (source: string): PolicySpec => specOf(parse(source).lines)
