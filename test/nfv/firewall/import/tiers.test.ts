/** Policies that come before and behind NetworkPolicy; test/lab/prove-evaluated.test.ts holds random ones against evaluators. */
import t from 'tap'
import { importKubernetes } from '../../../../src/nfv/firewall/import/kubernetes/kubernetes.js'

const pods = `
kind: Namespace
apiVersion: v1
metadata: { name: shop, labels: { team: web } }
${['a', 'b', 'c']
  .map(
    (name, at) => `---
kind: Pod
apiVersion: v1
metadata: { name: ${name}, namespace: shop, labels: { app: ${name} } }
spec: { containers: [{ ports: [{ name: web, containerPort: 8080 }] }] }
status: { podIP: 10.0.0.${at + 1} }
`,
  )
  .join('')}---
`
const antrea = (spec: string, kind = 'ClusterNetworkPolicy') =>
  `${pods}apiVersion: crd.antrea.io/v1beta1\nkind: ${kind}\nmetadata: { name: p, namespace: shop }\nspec: ${spec}\n`
const admin = (spec: string) =>
  `${pods}apiVersion: policy.networking.k8s.io/v1alpha1\nkind: AdminNetworkPolicy\nmetadata: { name: p }\nspec: ${spec}\n`
const rules = (text: string) =>
  text.split('\n').filter(line => /: (allow|drop|reject|pass)/.test(line))

const toA = 'appliedTo: [{ podSelector: { matchLabels: { app: a } } }]'

t.test('what an administrator allows, denies and leaves to others', async t => {
  const { text } = importKubernetes(`${admin(`
  priority: 1
  subject: { namespaces: { matchLabels: { team: web } } }
  ingress:
    - { name: b-may, action: Allow, from: [{ pods: { podSelector: { matchLabels: { app: b } } } }], ports: [{ namedPort: web }] }
    - { action: Pass, from: [{ namespaces: {} }], ports: [{ portNumber: { protocol: UDP, port: 53 } }] }
    - { action: Deny, from: [{ namespaces: {} }] }
`)}---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { name: none, namespace: shop }
spec: { podSelector: { matchLabels: { app: c } } }
`)
  t.same(rules(text), [
    '  p-b-may: allow tcp 8080 to 10.0.0.1',
    '  p-b-may-2: allow tcp 8080 to 10.0.0.2',
    '  p-b-may-3: allow tcp 8080 to 10.0.0.3',
    '  no-other-ingress: drop udp 53 to 10.0.0.3',
    '  policy-in: allow udp 53 to 10.0.0.1-10.0.0.3',
    '  p-in-3: drop any to 10.0.0.1-10.0.0.3',
    'no-other-ingress-2: drop any from 0.0.0.0/0 to 10.0.0.3',
  ])
})

t.test('what is named and not known is never left away', async t => {
  const told = (source: string) => {
    const { text, summary } = importKubernetes(source)
    return [
      rules(text).map(line => line.trim().replace(/^\S+ /, '')),
      summary.closed,
      summary.leftOut,
    ]
  }
  const egress = (action: string, peer: string) =>
    antrea(
      `{ tier: application, priority: 5, ${toA}, egress: [{ action: ${action}, to: [${peer}] }] }`,
    )
  // A domain name may be any address.
  t.same(told(egress('Drop', '{ fqdn: "*.example.net" }')), [
    ['drop any from 10.0.0.1 to 0.0.0.0/0'],
    1,
    0,
  ])
  const only = `{ tier: application, priority: 5, ${toA}, egress: [{ action: Allow, to: [{ fqdn: "*.net" }] }, { action: Drop }] }`
  t.same(told(antrea(only)), [['drop any from 10.0.0.1 to 0.0.0.0/0'], 0, 1])
  t.same(told(egress('Reject', '{ ipBlock: { cidr: 192.0.2.0/24 } }')), [
    ['reject any from 10.0.0.1 to 192.0.2.0/24'],
    0,
    0,
  ])
  const nodes = admin(
    '{ priority: 1, subject: { namespaces: {} }, egress: [{ action: Deny, to: [{ nodes: {} }] }] }',
  )
  t.same(told(nodes), [['drop any from 10.0.0.1-10.0.0.3 to 0.0.0.0/0'], 1, 0])
})

t.test('the tier baseline is behind NetworkPolicy', async t => {
  const baseline = antrea(`{ tier: baseline, priority: 5, ${toA}, ingress: [{ action: Drop }] }`)
  const policy = `---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { name: web, namespace: shop }
spec: { podSelector: {}, ingress: [{ ports: [{ port: 80 }] }] }
`
  const names = rules(importKubernetes(`${baseline}${policy}`).text).map(
    line => line.trim().split(':')[0],
  )
  t.equal(names[0], 'shop-web-in-1')
  t.same(rules(importKubernetes(baseline).text).length, 1)
})

t.test('mistakes end the import, with their place', async t => {
  // biome-ignore format: a table
  const rows: readonly (readonly [source: string, message: RegExp])[] = [
    [antrea(`{ tier: mine, priority: 5, ${toA}, ingress: [{ action: Drop }] }`), /the tier "mine" is not in the file/],
    [antrea(`{ priority: 5, ${toA}, ingress: [{ action: Deny }] }`), /"Deny" is no action of it/],
    [antrea(`{ priority: 5, ingress: [{ action: Drop }] }`), /it is applied to nothing/],
    [antrea(`{ priority: 5, ${toA}, ingress: [{ action: Drop, from: [{ group: none }] }] }`), /the group "none" is not in the file/],
    [antrea(`{ priority: 5, ${toA}, ingress: [{ action: Drop, protocols: [{ gre: {} }] }] }`), /the protocol "gre" is not known/],
    [admin('{ priority: 1, subject: { namespaces: {} }, ingress: [{ action: Deny }] }'), /it names no peer/],
    [`${admin('{ priority: 1, subject: { namespaces: {} } }')}---\n${antrea(`{ ${toA} }`)}`, /import each by itself/],
  ]
  for (const [source, message] of rows)
    t.throws(() => importKubernetes(source), { message }, source)
})
