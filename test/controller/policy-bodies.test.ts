/** A policy as statements: put, given back, and refused with the place of the mistake. */
import t from 'tap'
import { office, Refused } from './office.js'

interface PolicyItem {
  readonly source: string
  readonly spec: { readonly statements: readonly Record<string, unknown>[] }
}

t.test('text and statements are two forms of one policy', async t => {
  const at = await office(t, { whole: false })
  const spec = {
    statements: [
      { kind: 'zone', name: 'office', members: ['10.1.0.0/16'], comment: ' all of us' },
      { kind: 'blank', comment: ' below here: rules' },
      { kind: 'default', verb: 'drop', log: {} },
      {
        kind: 'rule',
        name: 'web',
        verb: 'allow',
        services: ['tcp 80', 'tcp 443'],
        from: ['office'],
        max: [{ count: 5, of: 'connections', perSource: true }],
      },
    ],
  }
  await at.call('PUT', '/api/v1/policies/main', { spec })
  const got = await at.call<PolicyItem>('GET', '/api/v1/policies/main')
  t.same(got.spec, spec)
  t.equal(
    got.source,
    'zone office = 10.1.0.0/16  # all of us\n# below here: rules\ndefault drop log\n' +
      'web: allow tcp 80, tcp 443 from office max 5 connections per source\n',
  )
  await at.call('PUT', '/api/v1/policies/other', { source: got.source.replaceAll('web', 'shop') })
  const other = await at.call<PolicyItem>('GET', '/api/v1/policies/other')
  t.match(other.spec.statements[3], { name: 'shop', services: ['tcp 80', 'tcp 443'] })
})

t.test('what the switches will not do as it is written is told with what was applied', async t => {
  const at = await office(t, { whole: false })
  const put = (source: string) =>
    at.call<{ warnings: readonly object[] }>('PUT', '/api/v1/policies/main', { source })
  const { warnings } = await put('default drop\nfiles: allow tcp 21 helper ftp\n')
  t.match(warnings, [{ line: 2, message: /EPSV and EPRT/, hint: /PASV or PORT/ }])
  t.same((await put('default drop\nweb: allow tcp 80\n')).warnings, [])
})

t.test('what is wrong is refused, and nothing is changed', async t => {
  const at = await office(t, { whole: false })
  const refused = async (body: unknown) => {
    try {
      await at.call('PUT', '/api/v1/policies/main', body)
      return undefined
    } catch (error) {
      if (error instanceof Refused) return error
      throw error
    }
  }
  const rule = { kind: 'rule', verb: 'drop', services: ['tcp 80'] }
  const wrong = await refused({ spec: { statements: [rule, { ...rule, from: ['nobody x'] }] } })
  t.match(wrong?.problem, {
    code: 'bad-rules',
    complaints: [{ line: 2, message: '"nobody x" is more than one part' }],
  })
  const unknown = await refused({ spec: { statements: [{ ...rule, from: ['nobody'] }] } })
  t.match(unknown?.problem, { complaints: [{ line: 1, message: /no zone is named "nobody"/ }] })
  t.match((await refused({}))?.problem, { code: 'bad-request', detail: /one of them/ })
  t.match((await refused({ source: '', spec: { statements: [] } }))?.problem, {
    code: 'bad-request',
  })
  t.equal((await refused({ spec: { statements: [{ kind: 'rule' }] } }))?.status, 400)
  t.equal((await at.call<{ items: [] }>('GET', '/api/v1/policies')).items.length, 0)
  t.equal(await refused({ spec: { statements: [rule] } }), undefined, 'what is right is taken')
})
