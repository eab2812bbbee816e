/** `POST /api/v1/trace`: connections and frames, with what each tier said. */
import t from 'tap'
import { lab, office } from './office.js'

const rules = new URL('../../../labs/office/office.rules', import.meta.url).pathname

interface Answer {
  readonly verdict: string
  readonly because: string
  readonly notes: readonly string[]
  readonly rule?: { readonly name: string }
  readonly tiers?: readonly {
    readonly tier: string
    readonly rule?: string
    readonly verb?: string
  }[]
  readonly hops: readonly unknown[]
}

t.test('a connection and the frame that opens it get the same answer', async t => {
  const { call } = await office(t, { whole: true, rules: [rules] })
  const question = { from: '10.1.0.2', to: '10.2.0.10', protocol: 'tcp', destinationPort: 443 }
  const answer = await call<Answer>('POST', '/api/v1/trace', question)
  t.match(answer, { verdict: 'delivered', rule: { name: 'browse' } })
  t.match(answer.tiers, [{ tier: 'admin' }, { tier: 'main', rule: 'browse', verb: 'allow' }])

  const mac = (ip: string) => lab.spec.hosts.find(host => host.ips[0]!.startsWith(`${ip}/`))!.mac
  const bare = (text: string) => text.replaceAll(':', '')
  const ip = '45000028000000004006000 00a0100020a02000a'.replace(' ', '')
  const tcp = '9c4001bb0000000000000000500200000000 0000'.replace(' ', '')
  const frame = `${bare(mac('10.2.0.10'))}${bare(mac('10.1.0.2'))}0800${ip}${tcp}`
  // Whose frame is at hand need not be told that it goes straight.
  t.match(answer.notes, [/^as if .* sent it straight to its destination/])
  const framed = await call<Answer>('POST', '/api/v1/trace', { frame })
  t.same({ ...framed, notes: answer.notes }, answer)

  await t.rejects(call('POST', '/api/v1/trace', { from: '10.1.0.2' }), /Give from, to and protocol/)
  await t.rejects(call('POST', '/api/v1/trace', { frame: '02zz' }), /pairs of hex digits/)
  await t.rejects(call('POST', '/api/v1/trace', { frame, at: 'nowhere:1' }), /No switch is nowhere/)
  await t.rejects(call('POST', '/api/v1/trace', { frame, at: 's1:77' }), /s1 has no port 77/)
})

t.test(
  'a frame at a port where its sender is not, comes to the controller before any rule is asked',
  async t => {
    const { call } = await office(t, { whole: true, rules: [rules] })
    const first = lab.spec.hosts[0]
    const frame = `ffffffffffff${first!.mac.replaceAll(':', '')}0800450000280000000040060000c0000201c0000202${'00'.repeat(20)}`
    const answer = await call<Answer>('POST', '/api/v1/trace', { frame, at: 's3:1' })
    t.equal(answer.verdict, 'unknown')
    t.match(answer.because, /^s3 asks the controller first, in table guard/)
    t.equal(answer.rule, undefined)
    t.equal(answer.tiers, undefined)
  },
)
