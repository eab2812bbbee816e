import type { Kind } from '../../base/kind.js'
import { checkSwitch, switchSpec } from './spec.js'

export const switchKind: Kind = {
  kind: 'Switch',
  path: 'switch',
  plural: 'switches',
  summary: 'an Open vSwitch, set up through its OVSDB',
  schema: switchSpec,
  check: checkSwitch,
  hasTeardown: true,
}
