/** What is audited costs a packet another way through its table: there is an end to it. */
import { complaintAt } from '../text/complaint.js'
import type { PolicyInput } from '../text/load.js'
import type { RuleError } from '../text/rule.js'
import { maxAuditedFiles, maxAuditRules, type PlacedRule } from './resolved.js'

export const tooManyAudits = (
  tiers: readonly (readonly PlacedRule[])[],
  policies: readonly PolicyInput[],
): RuleError[] => {
  const single = tiers.flat().filter(({ rule }) => rule.isAudit && rule.auditIn === undefined)
  const beyond = single[maxAuditRules]
  const files = policies.flatMap(({ loaded }) => loaded.root.fileAudit ?? [])
  const file = files[maxAuditedFiles]
  return [
    ...(beyond
      ? [
          complaintAt(
            { file: beyond.file, line: beyond.line, text: '' },
            0,
            1,
            `no more than ${maxAuditRules} rules can be audited one by one`,
            'audit them together: write "tier NAME audit" above them',
          ),
        ]
      : []),
    ...(file
      ? [
          complaintAt(
            file,
            file.text.indexOf('file'),
            'file audit'.length,
            `no more than ${maxAuditedFiles} policies can be audited whole`,
            'audit tiers of them: write "tier NAME audit"',
          ),
        ]
      : []),
  ]
}
