/** Which file a policy may have watched: a file puts the policy of its own name in force, whoever named it. */
import { basename } from 'node:path'
import { Failure } from '../../../base/failures.js'
import { policyNameOf } from '../../../base/rule-file-names.js'
import type { Identity } from '../../requests.js'
import { mustBeInScope } from '../../requests.js'
import type { PolicyWish } from '../service/policy.js'
import type { Firewall } from '../service/service.js'

/**
 * @throws {Failure} `out-of-scope` for a file of another's policy, `file-not-allowed` and `unreadable-file` for one that
 *   is never read, `bad-request` for one of another name
 */
export const mayWatch = async (
  firewall: Firewall,
  identity: Identity | undefined,
  { name, watch, file, includes = {} }: PolicyWish,
): Promise<void> => {
  if (!watch || file === undefined) return
  const own = policyNameOf(basename(file))
  mustBeInScope(identity, [own])
  const real = basename((await firewall.watcher?.real(file)) ?? file)
  // A link may lead to a file of another policy, which would be written.
  if (real.endsWith('.rules')) mustBeInScope(identity, [policyNameOf(real)])
  if (own !== name)
    throw new Failure('bad-request', {
      detail: `Policy ${name} cannot watch ${file}, which puts policy ${own} in force: name the file ${name}.rules, or apply it without watching.`,
    })
  const other = Object.keys(includes).find(path => !path.endsWith('.rules'))
  if (other !== undefined)
    throw new Failure('bad-request', {
      detail: `Policy ${name} includes "${other}", and only files named *.rules are read when it is watched: rename it, or apply without watching.`,
    })
}
