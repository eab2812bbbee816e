/** What an apply of a set has made, so that a later one can take away what is no longer in it. */
import Type from 'typebox'
import type { Kind } from '../../base/kind.js'

const strict = { additionalProperties: false }

const applySetSpec = Type.Object(
  {
    members: Type.Array(
      Type.Object(
        {
          kind: Type.String({ maxLength: 63, description: 'of an object, or Policy' }),
          name: Type.String({ maxLength: 255, description: 'its name' }),
          created: Type.Optional(
            Type.Integer({
              minimum: 0,
              description: 'the revision that brought it: one that was made anew is not of the set',
            }),
          ),
        },
        strict,
      ),
      { maxItems: 10_000, description: 'what "sluice apply --set NAME" has made' },
    ),
  },
  strict,
)

/** Written by the command line; it programs nothing, so it is installed as soon as it is kept. */
export const applySetKind: Kind = {
  kind: 'ApplySet',
  path: 'applyset',
  plural: 'applysets',
  summary: 'what an apply of a set has made, for --prune',
  schema: applySetSpec,
}
