/** A switch that is not ours between two of ours, here a bridge of Linux: found by the broadcast probe, and a link as soon as nothing else joins the two. */
import { pino } from 'pino'
import t from 'tap'
import { realEnv } from '../../../src/base/env/real-env.js'
import { ensurePackages, isRoot, ovsNeeds } from '../../../src/lab/install.js'
import { sh } from '../../../src/lab/shell.js'
import { type TwoSwitches, withTwoSwitches } from '../../lab/firewall/two-switches.js'
import { until } from '../../until.js'

const root = { skip: isRoot() ? false : 'it needs root for network namespaces', timeout: 120_000 }
const env = realEnv(pino({ level: 'silent' }))

interface Found {
  readonly from: { readonly switch: string; readonly port: number }
  readonly to: { readonly switch: string; readonly port: number }
  readonly isForeign?: true
}

const linksOf = async ({ controller }: TwoSwitches): Promise<string[]> => {
  const { items } = await controller.get<{ items: Found[] }>('/api/v1/links')
  const text = ({ from, to, isForeign }: Found) =>
    `${from.switch}:${from.port} ${to.switch}:${to.port}${isForeign ? ' foreign' : ''}`
  return items.map(text).sort()
}

/** Plugs both switches into a bridge of Linux, in a namespace of its own. */
const plugIn = async ({ stage }: TwoSwitches, bridge: string): Promise<void> => {
  const ip = (line: string) => sh('ip', ...line.split(' '))
  await ip(`netns add ${bridge}`)
  // Nobody lives on the bridge: an address of its own would make it a segment with hosts (ADR 0017).
  const quiet = (namespace: string, name: string) =>
    sh('ip', 'netns', 'exec', namespace, 'sysctl', '-qw', `net.ipv6.conf.${name}.disable_ipv6=1`)
  await quiet(bridge, 'all')
  await quiet(bridge, 'default')
  await ip(`-n ${bridge} link add br0 type bridge`)
  await ip(`-n ${bridge} link set br0 up`)
  for (const name of ['s1', 's2']) {
    const { namespace, folder } = stage.rig.switches.get(name)!
    const [ours, theirs] = [`${name}f`, `${name}b`]
    await ip(`link add ${ours} netns ${namespace} type veth peer name ${theirs} netns ${bridge}`)
    await quiet(namespace, ours)
    await ip(`-n ${bridge} link set ${theirs} master br0 up`)
    await ip(`-n ${namespace} link set ${ours} up`)
    await sh(
      'ovs-vsctl',
      `--db=unix:${folder}/db.sock`,
      ...`add-port ${name} ${ours} -- set Interface ${ours} ofport_request=9`.split(' '),
    )
  }
}

t.test('a link across a bridge of Linux', root, async t => {
  await ensurePackages(ovsNeeds, text => t.comment(text))
  await withTwoSwitches(env, async lab => {
    const bridge = `slf${process.pid.toString(36)}`
    t.same(await linksOf(lab), ['s1:3 s2:3', 's2:3 s1:3'], 'the cable')
    try {
      await plugIn(lab, bridge)
      await until(async () => (await lab.events('port-shut')).length > 0)
      t.same(await linksOf(lab), ['s1:3 s2:3', 's2:3 s1:3'], 'the cable is enough')
      t.equal(await lab.attempts('a', 'c', 80, 1), 'o')
      await lab.stage.setLink({ a: { name: 's1', port: 3 }, b: { name: 's2', port: 3 } }, false)
      const over = ['s1:9 s2:9 foreign', 's2:9 s1:9 foreign']
      await until(async () => String(await linksOf(lab)) === String(over))
      await until(async () => (await lab.attempts('a', 'c', 80, 1)) === 'o')
    } finally {
      await sh('ip', 'netns', 'del', bridge)
    }
  })
})
