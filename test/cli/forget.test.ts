/** What is gone is forgotten by hand, and stays forgotten; what is there is not. */
import { pino } from 'pino'
import t from 'tap'
import type { Dpid } from '../../src/base/addresses.js'
import { realEnv } from '../../src/base/env/real-env.js'
import { SimulatedSwitch } from '../../src/sim/switch.js'
import { items, office } from '../controller/office.js'
import { until } from '../until.js'
import { sluice } from './in-process.js'

t.test('switches and hosts that are gone are forgotten by hand', { timeout: 60_000 }, async t => {
  const at = await office(t)
  const [s1, s2] = [at.net.switches.get('s1')!, at.net.switches.get('s2')!]
  t.match(await sluice(at, ['delete', 'switch', 's1']), {
    code: 5,
    err: /The switch is connected: s1 is here/,
  })
  t.match(await sluice(at, ['delete', 'switch', 'nope']), { code: 3, err: /No switch is nope/ })
  s1.disconnect()
  const stateOf = async (name: string) =>
    (await items(at, 'switches')).find(each => each.name === name)?.state
  await until(async () => (await stateOf('s1')) === 'disconnected')
  t.match(await sluice(at, ['delete', 'switch', 's1']), { code: 0, out: 'switch s1 forgotten' })
  t.equal(await stateOf('s1'), undefined)
  t.notOk(
    (await items(at, 'hosts')).some(each => each.switch === 's1'),
    'with its hosts',
  )
  t.notOk(JSON.stringify(await items(at, 'links')).includes(s1.dpid), 'and its links')
  await at.restart()
  t.equal(await stateOf('s1'), undefined, 'behind a restart, too')
  s2.disconnect()
  await until(async () => (await stateOf('s2')) === 'disconnected')
  t.match(await sluice(at, ['delete', 'switch', s2.dpid]), { code: 0, out: /forgotten/ })

  const web = at.net.host('web')
  const isKnown = async () => (await items(at, 'hosts')).some(each => each.mac === web.mac)
  await until(isKnown)
  t.match(await sluice(at, ['delete', 'host', String(web.ip)]), { code: 0, out: /forgotten/ })
  t.notOk(await isKnown())
  await until(async () => {
    web.announce()
    return isKnown()
  })
  t.match(await sluice(at, ['delete', 'host', web.mac]), { code: 0 })
  t.match(await sluice(at, ['delete', 'host', '10.9.9.9']), {
    code: 3,
    err: /No host is 10\.9\.9\.9/,
  })
})

t.test('a name that several switches have means the connected one, or is refused', async t => {
  const at = await office(t, { network: { switches: [], hosts: [] }, whole: false })
  const env = realEnv(pino({ level: 'silent' }))
  const twins = [1, 2, 3].map(n => {
    const dpid = `000000000000000${n}` as Dpid
    const self = new SimulatedSwitch(env, { dpid, name: 'br0', ports: [], send: () => undefined })
    self.connect({ host: '127.0.0.1', port: at.openflowPort })
    t.teardown(() => self.stop())
    return self
  })
  const connected = async () =>
    (await items(at, 'switches')).filter(each => each.connected === true).length
  await until(async () => (await connected()) === 3)
  const one = () => at.call('GET', '/api/v1/switches/br0')
  await t.rejects(one(), /"ambiguous".*0000000000000001, 0000000000000002, 0000000000000003/)
  twins[0]!.disconnect()
  twins[1]!.disconnect()
  await until(async () => (await connected()) === 1)
  t.match(await one(), { dpid: twins[2]!.dpid })
  t.match(await sluice(at, ['delete', 'switch', 'br0']), {
    code: 5,
    err: /br0 means 0000000000000001, 0000000000000002; name one of these/,
  })
  t.match(await sluice(at, ['delete', 'switch', twins[0]!.dpid]), { code: 0 })
  t.match(await sluice(at, ['delete', 'switch', 'br0']), { code: 0 }, 'the one that is gone')
  t.match(await items(at, 'switches'), [{ dpid: twins[2]!.dpid }])
})
