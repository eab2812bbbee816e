/** The rules of a switch change as a whole or not at all, whatever it refuses. */
import { pino } from 'pino'
import t from 'tap'
import type { Dpid } from '../../../src/base/addresses.js'
import { realEnv } from '../../../src/base/env/real-env.js'
import { Programmer } from '../../../src/controller/program/programmer.js'
import type { SwitchChannel } from '../../../src/controller/program/read-back.js'
import { firewallRows } from '../../../src/nfv/firewall/flows/function-rows.js'
import type { Message, Reply } from '../../../src/openflow/index.js'
import type { Refusal } from '../../../src/pipeline/program.js'
import { flow, type Section, section } from '../../../src/pipeline/program.js'

const env = realEnv(pino({ level: 'silent' }))
const dpid = '0000000000000001' as Dpid

/** A switch that takes or refuses whole bundles, and knows its rows by what they are for. */
class Switch implements SwitchChannel {
  readonly dpid = dpid
  readonly rows = new Set<string>()
  /** A row that it does not take. */
  refuses: string | undefined
  bundles = 0

  async request({ kind }: Message): Promise<Reply> {
    const empty = { entries: [], groups: [], meters: [] }
    return { kind: kind.replace('request', 'reply'), ...empty } as unknown as Reply
  }

  async sendAll(): Promise<readonly []> {
    return []
  }

  async bundle(messages: readonly Message[]) {
    this.bundles++
    const named = messages.map(message => {
      if (message.kind !== 'flow-mod') throw new Error(`not a row: ${message.kind}`)
      return { name: `${message.match?.tcp_dst ?? message.match?.in_port}`, message }
    })
    const index = named.findIndex(({ name }) => name === this.refuses)
    if (index >= 0) return [{ index, error: 'OFPFMFC_TABLE_FULL' }]
    for (const { name, message } of named)
      if (message.command === 'delete-strict') this.rows.delete(name)
      else this.rows.add(name)
    return []
  }
}

const rules = (...ports: readonly number[]): Section =>
  section('firewall/rules1', {
    flows: ports.map(port =>
      flow('rules1', 100, { eth_type: 0x800, ip_proto: 6, tcp_dst: port }, {}, `drop ${port}`, {
        kind: 'policy',
        name: 'p',
      }),
    ),
  })

const forwarding = (port: number): Section =>
  section('ports', {
    flows: [flow('admit', 100, { in_port: port }, {}, 'a port', { kind: 'base', name: 'test' })],
  })

const start = async () => {
  const one = new Switch()
  const programmer = new Programmer(env, dpid, [firewallRows])
  const refusals: Refusal[] = []
  programmer.on('refused', refusal => refusals.push(refusal))
  programmer.connect(one)
  let revision = 0
  const want = async (...sections: readonly Section[]): Promise<string> => {
    programmer.want(sections, ++revision)
    if (!(await programmer.confirmed(revision, 1_000))) throw new Error('not confirmed')
    return [...one.rows].sort().join(' ')
  }
  return { one, programmer, refusals, want }
}

t.test('one refused row withholds all rules, and nothing else', async t => {
  const { one, refusals, want } = await start()
  t.equal(await want(forwarding(1), rules(22, 23)), '1 22 23')
  one.refuses = '81'
  t.equal(await want(forwarding(2), rules(80, 81)), '2 22 23', 'ports change, rules do not')
  t.same(
    refusals.map(({ error, origin }) => [error, origin.name]),
    [['OFPFMFC_TABLE_FULL', 'p']],
    'told once, with whose it is',
  )
})

const guard = (port: number): Section =>
  section('hosts/1', {
    flows: [
      flow('guard', 100, { in_port: port }, { goto: 'track' }, 'a host', {
        kind: 'host',
        name: 'h',
      }),
    ],
  })

t.test(
  'a host that is new stays outside while rules that may speak of it are withheld',
  async t => {
    const { one, want } = await start()
    await want(forwarding(1), rules(22))
    one.refuses = '81'
    t.equal(await want(forwarding(1), rules(80, 81), guard(7)), '1 22')
    t.equal(await want(forwarding(1), rules(80), guard(7)), '1 7 80', 'and comes in with its rules')
  },
)

t.test('the same rules are not tried again with every other change; others are', async t => {
  const { one, want } = await start()
  await want(forwarding(1), rules(22))
  one.refuses = '81'
  const refused = rules(80, 81)
  await want(forwarding(1), refused)
  const before = one.bundles
  t.equal(await want(forwarding(2), refused), '2 22')
  t.equal(one.bundles, before + 1)
  t.equal(await want(forwarding(2), rules(80)), '2 80', 'rules that fit go in')
})

t.test('a switch that has room again gets its rules when it is read back', async t => {
  const { one, programmer, want } = await start()
  await want(forwarding(1), rules(22))
  one.refuses = '81'
  const refused = rules(80, 81)
  t.equal(await want(forwarding(1), refused), '1 22')
  one.refuses = undefined
  programmer.check()
  // It tells that it holds nothing: all comes anew.
  for (let tries = 0; tries < 100 && !one.rows.has('81'); tries++)
    await new Promise<void>(resolve => {
      env.timers.after(10, resolve)
    })
  t.ok(one.rows.has('80') && one.rows.has('81'))
})

t.test('a refused row that is not of the firewall withholds itself alone', async t => {
  const { one, want } = await start()
  await want(forwarding(1), rules(22))
  one.refuses = '2'
  t.equal(await want(forwarding(1), forwarding(2), rules(80)), '1 80')
})
