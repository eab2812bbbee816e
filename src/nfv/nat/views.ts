/** `sluice get nat`: statements, what they do now, and where they stand. */

import type { ResolvedNat } from '../firewall/meaning/resolved.js'
import { formatAddresses } from '../firewall/nat/format-nat.js'
import type { ObjectState, View } from '../function.js'
import { type Becomes, type Lead, type Translations, textOf } from './model.js'

interface Known {
  readonly statements: () => readonly ResolvedNat[]
  readonly state: (index: number) => ObjectState
  readonly compiled: () => Translations | undefined
  /** Packets that could not be translated so since the start. */
  readonly failures: (number: number) => number
}

export const natViews = ({ statements, state, compiled, failures }: Known): readonly View[] => [
  {
    name: 'nat',
    summary: 'how addresses are translated: statements of rule files in their order',
    columns: [
      ['STATEMENT', 'statement'],
      ['BECOMES', 'becomes'],
      ['FAILED', 'failed'],
      ['STATE', 'state'],
      ['AT', 'at'],
    ],
    items: () =>
      statements().map((statement, index) => {
        const { sources = [], leads = [] } = compiled() ?? {}
        const becomes = sources.flatMap(each =>
          each.statement === statement && each.becomes ? [each.becomes] : [],
        )
        const led = leads.flatMap(each =>
          each.statement === statement && each.lead ? [each.lead] : [],
        )
        const numbers = new Set([...becomes, ...led].map(({ number }) => number))
        const { state: is, reason } = state(index)
        return {
          statement: statement.text,
          policy: statement.policy,
          becomes: [...new Set([...becomes.map(sourceText), ...led.map(leadText)])].join(', '),
          failed: [...numbers].reduce((sum, number) => sum + failures(number), 0),
          state: is === 'installed' ? 'in force' : (reason ?? is),
          at: `${statement.file}:${statement.line}`,
        }
      }),
  },
]

const sourceText = ({ addresses, ports }: Becomes): string =>
  `${formatAddresses(addresses)}${ports.to > 0 ? ` ports ${ports.from}-${ports.to}` : ''}`

const leadText = ({ version, target, port }: Lead): string =>
  `${textOf(version, target)}${port === undefined ? '' : `, port ${port}`}`
