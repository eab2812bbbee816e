/** How many decisions Open vSwitch caches for connections that differ in nothing but the port of the client. */
import { pino } from 'pino'
import t from 'tap'
import { realEnv } from '../../../src/base/env/real-env.js'
import { ensurePackages, isRoot, ovsNeeds } from '../../../src/lab/install.js'
import { type TwoSwitches, withTwoSwitches } from './two-switches.js'

const root = { skip: isRoot() ? false : 'it needs root for network namespaces', timeout: 200_000 }
const env = realEnv(pino({ level: 'silent' }))

const count = 200
const connect = `const net = require('net')
const open = at => {
  if (at === ${count}) return process.exit(0)
  const one = net.connect({ host: '10.2.0.10', port: 80, localPort: 40000 + at })
  const next = () => { one.destroy(); open(at + 1) }
  one.on('connect', next).on('error', next)
}
open(0)`

/** Those about new connections to the port, at the switch of the client. */
const cached = async (lab: TwoSwitches): Promise<number> => {
  await lab.inHost('a', process.execPath, '-e', connect)
  const text = await lab.stage.rig.appctl('s1', 'dpctl/dump-flows')
  return text
    .split('\n')
    .filter(line => line.includes('ct_state(+new') && line.includes('tp_dst=80)')).length
}

/** Sets of source ports, as bits and for all addresses, above the rule that lets in. */
const rules = `default drop
trace: drop udp source 33434-33523 from any to any
low:   drop tcp 6000-6063 source 0-1023 from any to any
web:   drop tcp source 8000-8099 from any to any
odd:   drop tcp source 39999 from any to any
high:  drop tcp 1024-65535 source 49152-65535 from 10.0.0.0/8 to any
own:   allow tcp 80 from 10.1.0.1 to 10.2.0.10
`

t.test('ports of clients share what is cached', root, async t => {
  await ensurePackages(ovsNeeds, text => t.comment(text))
  await withTwoSwitches(env, async lab => {
    await lab.rules(rules)
    const few = await cached(lab)
    t.ok(few >= 1 && few <= 8, `${few} decisions for ${count} connections`)
    // A port of the client between these very hosts must be looked at: then there is one for each.
    await lab.rules(
      `${rules.replace('own:', 'one: drop tcp 80 source 39998 from 10.1.0.1 to 10.2.0.10\nown:')}`,
    )
    const many = await cached(lab)
    t.ok(many > count / 2, `${many} decisions where each port is looked at`)
  })
})
