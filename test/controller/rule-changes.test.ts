/** What changes between two texts of a policy. */
import t from 'tap'
import { ruleChanges } from '../../src/nfv/firewall/service/rule-changes.js'

const changes = (before: readonly string[], after: readonly string[]): readonly string[] =>
  ruleChanges(
    { name: 'p', source: `${after.join('\n')}\n` },
    { name: 'p', source: `${before.join('\n')}\n` },
  ).map(({ change, text }) => `${change} ${text}`)

const [web, ssh, dns, mail] = ['web: tcp 80', 'ssh: tcp 22', 'dns: udp 53', 'mail: tcp 25'].map(
  text => `${text.replace(': ', ': allow ')} from any to any`,
) as [string, string, string, string]

t.test('rules that come and go', async t => {
  t.same(changes([web, ssh], [web, dns]), [`removed ${ssh}`, `added ${dns}`])
  t.same(changes([web], [web, '# a comment']), [])
  t.same(
    ruleChanges({ name: 'p', source: `${web}\n` }, undefined),
    [{ policy: 'p', change: 'added', text: web }],
    'of a policy that was not there',
  )
})

t.test('rules that only stand elsewhere are told, and as few as can be', async t => {
  t.same(changes([web, ssh, dns, mail], [ssh, dns, mail, web]), [`moved ${web}`])
  t.same(changes([web, ssh, dns, mail], [mail, web, ssh, dns]), [`moved ${mail}`])
  t.equal(changes([web, ssh, dns, mail], [mail, dns, ssh, web]).length, 3, 'turned round')
  t.same(changes([web, ssh], [dns, web, mail, ssh]), [`added ${dns}`, `added ${mail}`])
})
