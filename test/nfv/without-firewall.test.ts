/** A controller that was built without the firewall: a network that carries, and an API that says so. */
import t from 'tap'
import { routerFunction } from '../../src/nfv/router/function.js'
import { items, office } from '../controller/office.js'
import { ring, Whole } from '../topology/whole.js'

t.test('it forwards, discovers and finds hosts', async t => {
  const whole = await Whole.start(ring(3), undefined, [])
  const { controller } = whole
  t.equal(controller.topology.current.links.size, 6)
  for (const to of ['h2', 'h3'])
    t.ok((await whole.ping('h1', to)) !== undefined, `h1 reaches ${to}`)
  t.equal(controller.topology.current.hosts.size, 3)
  const rows = [...controller.programs.values()].flat().flatMap(({ flows }) => flows)
  t.notOk(
    rows.some(({ origin }) => origin.name === 'firewall' || origin.kind === 'policy'),
    'and no row is of a firewall',
  )
  await whole.stopController()
  await whole.startController()
  await whole.env.advance(3_000)
  t.ok((await whole.ping('h1', 'h3')) !== undefined, 'after a restart too')
  t.same(whole.events('drift-repaired', 'flow-refused', 'foreign-flow'), [])
  await whole.stop()
})

t.test('its API', async t => {
  const at = await office(t, { more: { functions: [routerFunction] } })
  t.equal((await at.raw('/readyz')).status, 200)
  const switches = await items(at, 'switches')
  t.ok(switches.length > 0)
  t.ok(switches.every(({ state }) => state === 'installed'))
  t.ok((await items(at, 'hosts')).length > 0)
  t.same(await items(at, 'drift'), [])
  t.same(await items(at, 'routes'), [], 'the other function is there')
  t.equal((await at.raw('/api/v1/policies')).status, 404, 'nothing is said of policies')
  const metrics = await (await at.raw('/metrics')).text()
  t.match(metrics, 'sluice_switches{state="installed"}')
  t.notMatch(metrics, 'sluice_policies')
  const [from, to] = at.network.hosts!.slice(0, 2).map(({ ip }) => ip)
  const trace = (body: object) => at.call('POST', '/api/v1/trace', { from, to, ...body })
  t.match(await trace({ protocol: 'icmp' }), { verdict: 'delivered' })
  await t.rejects(trace({ service: 'tcp 80' }), { status: 400, message: /give protocol and ports/ })
})
