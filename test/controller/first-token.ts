/** A guard that knows one token, for tests of a part of the API. */

import { realEnv } from '../../src/base/env/real-env.js'
import { CollectingLog } from '../../src/base/log/log.js'
import { Guard } from '../../src/controller/rights/guard.js'
import { rightsWith } from '../../src/controller/rights/rights.js'
import { functions } from '../../src/nfv/functions.js'
import type { Rights } from '../../src/nfv/requests.js'

const env = realEnv(new CollectingLog())

/** @param more of routes that only the test has */
export const guardOf = (firstToken: string, more: Rights = {}): Guard =>
  // No stream lives long enough here to be looked at again.
  new Guard({
    clock: env.clock,
    timers: { every: () => () => undefined },
    firstToken,
    rights: { ...rightsWith(functions), ...more },
  })
