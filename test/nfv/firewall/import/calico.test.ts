/** Policies of Calico; test/lab/prove-evaluated.test.ts holds random ones against an evaluator. */
import t from 'tap'
import { readSelector } from '../../../../src/nfv/firewall/import/kubernetes/calico-selector.js'
import { importKubernetes } from '../../../../src/nfv/firewall/import/kubernetes/kubernetes.js'

t.test('selectors say what the reference says', async t => {
  const [a, b, none] = [{ app: 'a', tier: 'web' }, { app: 'b' }, {}]
  // biome-ignore format: a table
  const rows: readonly (readonly [selector: string, a: boolean, b: boolean, none: boolean])[] = [
    ["app == 'a'", true, false, false],
    ['app != "a"', false, true, true],
    ['all()', true, true, true],
    ['has(tier)', true, false, false],
    ['!has(app)', false, false, true],
    ["app in {'a', 'c'}", true, false, false],
    ["app not in { 'a' }", false, true, true],
    ["tier contains 'e' && app starts with 'a'", true, false, false],
    ["tier ends with 'b' || app == 'b'", true, true, false],
    ["!(app == 'a' || app == 'b')", false, false, true],
    ["app == 'b' || app == 'a' && tier == 'none'", false, true, false],
  ]
  for (const [selector, ...expected] of rows)
    t.same([a, b, none].map(readSelector(selector, 'p')), expected, selector)
  for (const selector of [
    'app = 1',
    "app == 'a' &&",
    "(app == 'a'",
    'global()',
    'app',
    "'a' == app",
    'has()',
  ])
    t.throws(() => readSelector(selector, 'p')({}), { message: /is not understood/ }, selector)
})

const pods = ['a', 'b']
  .map(
    (name, at) => `apiVersion: v1
kind: Pod
metadata: { name: ${name}, namespace: shop, labels: { app: ${name} } }
status: { podIP: 10.0.0.${at + 1} }
---
`,
  )
  .join('')
const policy = (spec: string, kind = 'GlobalNetworkPolicy') =>
  `${pods}apiVersion: projectcalico.org/v3\nkind: ${kind}\nmetadata: { name: p, namespace: shop }\nspec: ${spec}\n`
const rules = (source: string) =>
  importKubernetes(source)
    .text.split('\n')
    .filter(line => /: (allow|drop|reject|pass)/.test(line))
    .map(line => line.trim())

t.test('who is selected is denied at the end of the tier', async t => {
  t.same(
    rules(
      policy(
        `{ selector: "app == 'a'", ingress: [{ action: Deny, source: { selector: "app == 'b'" } }, { action: Allow, protocol: TCP, destination: { ports: [80, '8000:8010'] } }] }`,
      ),
    ),
    [
      'p-in-1: drop any from 10.0.0.2',
      'p-in-2: allow tcp 80 8000-8010 from 0.0.0.0/0',
      'end-of-default-in: drop any from 0.0.0.0/0',
    ],
  )
})

t.test('what is named and not known closes, and mistakes end the import', async t => {
  t.same(
    rules(
      policy(
        `{ selector: "app == 'a'", egress: [{ action: Allow, destination: { domains: [x.org] } }] }`,
      ),
    ),
    ['end-of-default-out: drop any from 10.0.0.1 to 0.0.0.0/0'],
  )
  const closed = importKubernetes(policy(`{ serviceAccountSelector: "x == 'y'" }`))
  t.match(closed.text, 'end-of-default-in: drop any from any to any')
  t.equal(closed.summary.closed, 1)
  // biome-ignore format: a table
  const rows: readonly (readonly [source: string, message: RegExp])[] = [
    [policy('{ tier: mine }'), /the tier "mine" is not in the file/],
    [policy('{ types: [In] }'), /"In" is no type/],
    [policy('{ ingress: [{ action: Drop }] }'), /"Drop" is no action/],
    [policy('{ ingress: [{ action: Deny, destination: { ports: [80] } }] }'), /ports without the protocol/],
    [policy('{ ingress: [{ action: Deny, icmp: { type: 8 } }] }'), /without the protocol ICMP/],
    [policy('{ ingress: [{ action: Deny, source: { nets: [here] } }] }'), /no address/],
    [policy('{ namespaceSelector: "a == \'b\'" }'), /the labels of the namespace shop are not in the file/],
    [policy('{}', 'HostEndpoint'), /HostEndpoint p/],
    [policy('{}', 'StagedNetworkPolicy'), /StagedNetworkPolicy p/],
  ]
  for (const [source, message] of rows)
    t.throws(() => importKubernetes(source), { message }, source)
})
