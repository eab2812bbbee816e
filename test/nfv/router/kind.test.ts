/** What a router cannot be is said where it is written, and nothing that runs is taken from another. */
import t from 'tap'
import { SimulatedEnv } from '../../../src/base/env/simulated-env.js'
import { complaintsOf } from '../../../src/base/kind.js'
import { ObjectKeeper } from '../../../src/controller/objects/objects.js'
import { MemoryStore } from '../../../src/controller/store/memory-store.js'
import { routerKind } from '../../../src/nfv/router/kind.js'

const staff = { network: 'staff', addresses: ['10.1.0.254/24', 'fd00:1::fe/64'] }
const servers = { network: 'servers', addresses: ['10.2.0.254/24'] }
const with_ = (more: object) => ({ interfaces: [staff, servers], ...more })
const route = (each: object) => with_({ routes: [each] })
const address = (text: string) => ({ interfaces: [{ network: 'staff', addresses: [text] }] })

// biome-ignore format: a table
const wrong: readonly (readonly [what: string, spec: object, path: string, says: RegExp])[] = [
  ['an address without a length', address('10.1.0.254'), 'interfaces.0.addresses.0', /length of its subnet/],
  ['the address of the subnet', address('10.1.0.0/24'), 'interfaces.0.addresses.0', /the subnet itself/],
  ['broadcast', address('10.1.0.255/24'), 'interfaces.0.addresses.0', /broadcast/],
  ['no subnet', address('10.1.0.1/0'), 'interfaces.0.addresses.0', /default route/],
  ['a group', address('224.0.0.1/24'), 'interfaces.0.addresses.0', /no address of a station/],
  ['any router of a subnet', address('fd00:1::/64'), 'interfaces.0.addresses.0', /any router/],
  ['IPv4 in IPv6', address('::ffff:10.1.0.1/96'), 'interfaces.0.addresses.0', /IPv4 address in IPv6/],
  ['link-local', address('fe80::1/64'), 'interfaces.0.addresses.0', /made from the MAC/],
  ['one subnet in two networks', { interfaces: [staff, { network: 'x', addresses: ['10.1.0.5/16'] }] }, 'interfaces.1.addresses.0', /lead to one network/],
  ['a network twice', { interfaces: [staff, { network: 'staff', addresses: ['10.5.0.1/24'] }] }, 'interfaces.1.network', /interface already/],
  ['advertising without IPv6', { interfaces: [{ ...servers, advertise: true }] }, 'interfaces.0.advertise', /needs an IPv6 address/],
  ['the MAC of the controller', with_({ mac: '02:53:4c:00:00:01' }), 'mac', /one station/],
  ['the MAC of a group', with_({ mac: '03:00:00:00:00:01' }), 'mac', /one station/],
  ['a route twice', with_({ routes: [{ to: '10.9.0.0/16', via: '10.1.0.1' }, { to: '10.9.1.0/16', via: '10.1.0.2' }] }), 'routes.1.to', /routes.0/],
  ['a route to its own subnet', route({ to: '10.2.0.0/24', via: '10.1.0.1' }), 'routes.0.to', /straight/],
  ['a route to itself', route({ to: '10.2.0.254/32', blackhole: true }), 'routes.0.to', /router itself/],
  ['groups', route({ to: '224.0.0.0/4', via: '10.1.0.1' }), 'routes.0.to', /nobody/],
  ['link-local', route({ to: 'fe80::/10', via: 'fd00:1::1' }), 'routes.0.to', /nobody/],
  ['a next hop of nowhere', route({ to: '10.9.0.0/16', via: '10.3.0.1' }), 'routes.0.via', /no subnet of an interface \(10.1.0.0\/24, 10.2.0.0\/24\)/],
  ['a next hop in another network', route({ to: '10.9.0.0/16', via: '10.1.0.1', network: 'servers' }), 'routes.0.via', /in staff, not in servers/],
  ['a next hop that is broadcast', route({ to: '10.9.0.0/16', via: '10.1.0.255' }), 'routes.0.via', /broadcast/],
  ['itself as next hop', route({ to: '10.9.0.0/16', via: '10.1.0.254' }), 'routes.0.via', /itself/],
  ['a next hop twice', route({ to: '10.9.0.0/16', via: ['10.1.0.1', '10.1.0.1'] }), 'routes.0.via', /twice/],
  ['a next hop of another version', route({ to: '10.9.0.0/16', via: 'fd00:1::1' }), 'routes.0.via', /no IPv4 address/],
  ['a link-local next hop of nowhere', route({ to: '::/0', via: 'fe80::1' }), 'routes.0.via', /say where it is/],
  ['neither next hop nor blackhole', route({ to: '10.9.0.0/16' }), 'routes.0', /takes a next hop/],
]

t.test('mistakes of a router have their place', async t => {
  for (const [what, spec, path, says] of wrong) {
    const [first, ...more] = complaintsOf(routerKind, spec)
    t.match({ path: first?.path.join('.'), message: first?.message }, { path, message: says }, what)
    t.same(more, [], `${what}: once`)
  }
  t.same(
    complaintsOf(
      routerKind,
      with_({
        routes: [
          { to: '0.0.0.0/0', via: ['10.1.0.1', '10.2.0.1'] },
          { to: '::/0', via: 'fe80::1', network: 'staff' },
          { to: '192.168.0.0/16', blackhole: true },
          { to: '10.2.0.77/32', via: '10.1.0.1' },
        ],
      }),
    ),
    [],
    'what is right',
  )
})

t.test('a router that wants the network of another is refused', async t => {
  const env = new SimulatedEnv({ seed: 1 })
  const objects = await ObjectKeeper.load(env.timers, new MemoryStore(env), [routerKind])
  const put = (name: string, ...interfaces: object[]) =>
    objects.apply([{ kind: 'Router', name, spec: { interfaces } }])
  await put('main', staff, servers)
  const refused = put('alpha', { network: 'staff', addresses: ['10.7.0.254/24'] })
  await t.rejects(refused, { code: 'bad-objects' })
  t.same(
    objects.list(routerKind).map(({ name }) => name),
    ['main'],
  )
  await put('main', staff)
  await put('alpha', servers)
  t.equal(objects.list(routerKind).length, 2, 'when it is free')
  await put('main', { ...staff, advertise: false })
  t.pass('a change of one that is there')
})
