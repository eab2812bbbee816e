/**
 * What people do first: a bridge made by hand with `ovs-vsctl`, plain hosts on it, a controller, nothing
 * declared. And the Mininet script in the way of `mn --custom`.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { ensurePackages, isRoot, mininetNeeds, ovsNeeds } from '../../src/lab/install.js'
import { ovsVariables } from '../../src/lab/ovs.js'
import { end, sh, start, trySh } from '../../src/lab/shell.js'
import { asUsersRun } from '../program.js'
import { until } from '../until.js'
import { place, plug } from './place.js'

const root = { skip: isRoot() ? false : 'it needs root for network namespaces', timeout: 120_000 }

const pings = async (host: string, to: number): Promise<boolean> =>
  (await trySh('ip', 'netns', 'exec', host, 'ping', '-c', '1', '-W', '1', `10.9.0.${to}`)) !==
  undefined

for (const failMode of ['standalone', 'secure'])
  t.test(
    `a bridge made by hand, fail mode ${failMode}, works without any declaration`,
    root,
    async t => {
      await ensurePackages(ovsNeeds, text => t.comment(text))
      const at = await place(t)
      await at.vsctl(
        ...`add-br br0 -- set bridge br0 datapath_type=netdev protocols=OpenFlow13 fail_mode=${failMode}`.split(
          ' ',
        ),
      )
      const hosts: string[] = []
      for (const number of [1, 2, 3]) hosts.push(await plug(at, 'br0', number))
      await at.vsctl('set-controller', 'br0', 'tcp:127.0.0.1:6653')
      await until(() => pings(hosts[0]!, 2), 10_000)
      t.ok(await pings(hosts[1]!, 3))
      t.ok(await pings(hosts[2]!, 1))

      const file = join(at.data, 'ping.rules')
      writeFileSync(file, 'default drop\nping: allow icmp from any to 10.9.0.2\n')
      t.match(
        await at.sluice('apply', '-f', file, '--wait'),
        /policy ping added: 2 rules.*installed/,
      )
      t.ok(await pings(hosts[0]!, 2), 'what the policy allows passes')
      t.notOk(await pings(hosts[0]!, 3), 'what it does not allow is dropped')
      t.equal((await at.sluice('get', 'drift')).trim(), 'none')
      t.match(await at.sluice('get', 'sessions'), /br0 +icmp +10\.9\.0\.1 +10\.9\.0\.2 +ping/)
      writeFileSync(file, 'default drop\nping: allow icmp from 10.9.0.3 to 10.9.0.2\n')
      // Exit code 1 says that there is a difference.
      const words = ['env', ...asUsersRun(), '--data', at.data, 'diff', '-f', file].join(' ')
      const inside = ['netns', 'exec', at.namespace, 'sh', '-c', `${words} || test $? = 1`]
      const cut = await sh('ip', ...inside)
      t.match(cut, /cut: icmp 10\.9\.0\.1 -> 10\.9\.0\.2 by ping/, 'what an edit would cut')

      await at.sluice('learn', '--for', '1h', '--start')
      await at.sluice('get', 'switches')
      t.ok((await pings(hosts[0]!, 2)) || (await pings(hosts[2]!, 2)))
      t.match(
        await at.sluice('learn', '--stop'),
        /^learnt-1: allow icmp echo-request from 10\.9\.0\.[13] to 10\.9\.0\.2 /m,
        'rules from what was used',
      )
      t.match(
        await at.sluice('get', 'rules', '-o', 'wide'),
        /^ping +main +ping +allow +\d+ +\d+ +\S+ +[1-9]/m,
      )

      await at.sluice('delete', 'policy', 'ping', '--wait')
      t.ok(await pings(hosts[0]!, 3), 'without a policy all pass again')
    },
  )

t.test('mn --custom builds the office lab for a controller that runs', root, async t => {
  await ensurePackages(mininetNeeds, text => t.comment(text))
  const at = await place(t)
  const script = new URL('../../../labs/office/mininet.py', import.meta.url).pathname
  const mn = start(
    'ip',
    [
      ...['netns', 'exec', at.namespace, '/usr/bin/python3', '/usr/bin/mn', '--custom', script],
      ...['--topo', 'office', '--switch', 'sluice', '--host', 'sluice'],
      ...['--controller', 'remote,ip=127.0.0.1,port=6653'],
    ],
    { stdio: ['pipe', 'pipe', 'pipe'], env: { ...process.env, ...ovsVariables(at.folder) } },
  )
  at.ledger.process(mn.pid!, 'office')
  let said = ''
  for (const stream of [mn.stdout!, mn.stderr!])
    stream.on('data', chunk => {
      said += chunk
    })
  await until(async () => {
    const links = JSON.parse(await at.sluice('get', 'links', '-o', 'json')) as { items: unknown[] }
    return links.items.length === 8
  }, 20_000)
  mn.stdin!.write('pingall\n')
  await until(() => /Results: 0% dropped/.test(said), 40_000).catch(() => t.fail(said.slice(-500)))
  mn.stdin!.end('exit\n')
  await end(mn, 5_000, 20_000)
})
