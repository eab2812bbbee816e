import t from 'tap'
import { importKubernetes } from '../../../../src/nfv/firewall/import/kubernetes/kubernetes.js'
import { importOpenstack } from '../../../../src/nfv/firewall/import/openstack.js'
import { loadText } from '../../../../src/nfv/firewall/text/load.js'
import { Parser } from '../../../../src/nfv/firewall/text/parse.js'

const complaintsOf = (text: string) => loadText(new Parser(), 'imported.rules', text).complaints

const cluster = `
kind: Namespace
metadata: { name: shop, labels: { team: web } }
---
kind: List
items:
  - kind: Pod
    metadata: { name: front, namespace: shop, labels: { app: front } }
    status: { podIP: 10.0.0.1 }
  - kind: Pod
    metadata: { name: api, namespace: shop, labels: { app: api } }
    spec: { containers: [{ ports: [{ name: http, containerPort: 8080 }] }] }
    status: { podIPs: [{ ip: 10.0.0.2 }, { ip: "fd00::2" }] }
  - kind: Pod
    metadata: { name: other, namespace: lab, labels: { app: front } }
    status: { podIP: 10.0.9.9 }
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { name: api, namespace: shop }
spec:
  podSelector: { matchLabels: { app: api } }
  policyTypes: [Ingress, Egress]
  ingress:
    - from:
        - podSelector: { matchExpressions: [{ key: app, operator: In, values: [front] }] }
        - ipBlock: { cidr: 192.0.2.0/24, except: [192.0.2.128/25] }
      ports: [{ port: http }, { protocol: TCP, port: 9000, endPort: 9010 }]
  egress:
    - to: [{ namespaceSelector: { matchLabels: { team: web } } }]
      ports: [{ protocol: UDP, port: 53 }]
`

t.test('NetworkPolicy: selected pods may do what a policy allows, and nothing else', async t => {
  const { text, notes } = importKubernetes(cluster)
  t.equal(
    text,
    `# from Kubernetes NetworkPolicy
default allow

zone shop-api = 10.0.0.2, fd00::2

tier application
  shop-api-out-1: pass udp 53 from shop-api to 10.0.0.1, 10.0.0.2, fd00::2
  no-other-egress: drop any from shop-api to any

tier baseline
  shop-api-in-1: allow tcp 9000-9010 from 10.0.0.1 to shop-api
  shop-api-in-1-2: allow tcp 8080 from 10.0.0.1 to 10.0.0.2, fd00::2
  shop-api-in-1-3: allow tcp 9000-9010 from 192.0.2.0/24 except 192.0.2.128/25 to shop-api
  shop-api-in-1-4: allow tcp 8080 from 192.0.2.0/24 except 192.0.2.128/25 to 10.0.0.2, fd00::2
  no-other-ingress: drop any from any to shop-api
`,
  )
  t.match(notes[0]?.message, /node/)
  t.same(complaintsOf(text), [])
})

t.test('security groups: each port may do what its groups allow, and nothing else', async t => {
  const { text, notes } = importOpenstack(
    JSON.stringify({
      security_groups: [
        {
          id: 'g1',
          name: 'web',
          security_group_rules: [
            {
              direction: 'ingress',
              ethertype: 'IPv4',
              protocol: 'tcp',
              port_range_min: 80,
              port_range_max: 90,
            },
            {
              direction: 'ingress',
              ethertype: 'IPv4',
              protocol: 'icmp',
              port_range_min: 8,
              port_range_max: 0,
            },
            {
              direction: 'ingress',
              ethertype: 'IPv4',
              protocol: 'tcp',
              port_range_min: 22,
              port_range_max: 22,
              remote_group_id: 'g2',
            },
            { direction: 'egress', ethertype: 'IPv6', protocol: null },
          ],
        },
        { id: 'g2', name: 'admin', security_group_rules: [] },
      ],
      ports: [
        {
          fixed_ips: [{ ip_address: '10.0.0.5' }, { ip_address: 'fd00::5' }],
          security_groups: ['g1'],
        },
        { fixed_ips: [{ ip_address: '10.0.0.6' }], security_groups: ['g2'] },
      ],
    }),
  )
  t.equal(
    text,
    `# from OpenStack security groups
default allow

zone web = 10.0.0.5, fd00::5
zone admin = 10.0.0.6

tier application
  web-egress-1: pass any from web to ::/0
  no-other-egress: drop any from web, admin to any

tier baseline
  web-ingress-1: allow tcp 80-90 from 0.0.0.0/0 to web
  web-ingress-2: allow icmp 8/0 from 0.0.0.0/0 to web
  web-ingress-3: allow tcp 22 from 10.0.0.6 to web
  no-other-ingress: drop any from any to web, admin
`,
  )
  t.same(notes, [])
  t.same(complaintsOf(text), [])
  t.throws(() => importOpenstack('{}'), { message: /no security group, rule, port/ })
})

const pod = (name: string, labels: string, ip: string, more = '') => `---
apiVersion: v1
kind: Pod
metadata: { name: ${name}, labels: { ${labels} } }
spec: { containers: [{ name: c ${more} }] }
status: { phase: Running, podIP: ${ip} }
`
const policyOf = (spec: string) => `---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { name: n }
spec: ${spec}
`
const ruleLines = (text: string): string[] => {
  t.same(complaintsOf(text), [], text)
  return text
    .split('\n')
    .filter(line => line.startsWith('  '))
    .map(line => line.trim())
}

t.test('a named port is the number that each pod gives it, and no other', async t => {
  const pods =
    pod('w1', 'app: w', '10.0.0.1', ', ports: [{ name: http, containerPort: 80 }]') +
    pod('w2', 'app: w', '10.0.0.2', ', ports: [{ name: http, containerPort: 8080 }]') +
    pod('c', 'app: c', '10.0.0.3')
  const inward =
    pods +
    policyOf('{ podSelector: { matchLabels: { app: w } }, ingress: [{ ports: [{ port: http }] }] }')
  t.same(ruleLines(importKubernetes(inward).text), [
    'default-n-in-1: allow tcp 80 from any to 10.0.0.1',
    'default-n-in-1-2: allow tcp 8080 from any to 10.0.0.2',
    'no-other-ingress: drop any from any to default-n',
  ])
  const outward =
    pods +
    policyOf(
      '{ podSelector: { matchLabels: { app: c } }, policyTypes: [Egress], egress: [{ ports: [{ port: http }], to: [{ podSelector: { matchLabels: { app: w } } }] }] }',
    )
  t.same(ruleLines(importKubernetes(outward).text), [
    'default-n-out-1: pass tcp 80 from default-n to 10.0.0.1',
    'default-n-out-1-2: pass tcp 8080 from default-n to 10.0.0.2',
    'no-other-egress: drop any from default-n to any',
  ])
})

t.test('what is missing, empty or null is filled in as the API server does', async t => {
  const all = pod('a', 'app: a', '10.0.0.1')
  const none = ['no-other-ingress: drop any from any to default-n']
  const open = ['default-n-in-1: allow any from any to default-n', ...none]
  // biome-ignore format: a table
  const rows: readonly (readonly [spec: string, rules: readonly string[]])[] = [
    ['{ podSelector: {}, egress: [], ingress: [{}] }', open],
    ['{ podSelector: {}, policyTypes: [], ingress: [] }', none],
    ['{ podSelector: {}, policyTypes: null, ingress: null, egress: null }', none],
    ['{ podSelector: {}, ingress: [{ from: null, ports: null }] }', open],
    ['{ podSelector: {}, ingress: [null] }', open],
    ['{ podSelector: {}, ingress: [{ from: [], ports: [] }] }', open],
    ['{ podSelector: { matchLabels: { app: b } }, ingress: [] }', []],
  ]
  for (const [spec, rules] of rows)
    t.same(ruleLines(importKubernetes(all + policyOf(spec)).text), rules, spec)
})

t.test('pods without an address of their own are not meant', async t => {
  const policy = policyOf('{ podSelector: {}, ingress: [] }')
  const host = pod('n', 'app: n', '192.0.2.5').replace('spec: {', 'spec: { hostNetwork: true,')
  const done = pod('d', 'app: d', '10.0.0.9').replace('Running', 'Succeeded')
  const { text } = importKubernetes(host + done + pod('a', 'app: a', '10.0.0.1') + policy)
  t.match(text, 'zone default-n = 10.0.0.1\n')
})

t.test('all of a protocol stands behind ports of another', async t => {
  const { text } = importKubernetes(`${cluster}---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { name: two, namespace: shop }
spec:
  podSelector: {}
  ingress: [{ ports: [{ protocol: TCP }, { protocol: UDP, port: 53 }] }]
`)
  t.match(text, 'allow udp 53, tcp from any to shop-two')
  t.same(complaintsOf(text), [])
})

t.test('a type of policy that is none ends the import', async t => {
  const policy = `${cluster}---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { name: odd, namespace: shop }
spec: { policyTypes: [ingress] }
`
  t.throws(() => importKubernetes(policy), { message: /"ingress" is no type/ })
})

t.test('policies of other projects are refused by their name, never read as these', async t => {
  const all = pod('a', 'app: a', '10.0.0.1')
  for (const [api, kind] of [
    ['security.antrea.tanzu.vmware.com/v1alpha1', 'ClusterNetworkPolicy'],
    ['crd.projectcalico.org/v1', 'NetworkPolicy'],
    ['policy.networking.k8s.io/v1alpha2', 'ClusterNetworkPolicy'],
    ['cilium.io/v2', 'CiliumNetworkPolicy'],
  ])
    t.throws(
      () =>
        importKubernetes(`${all}---\napiVersion: ${api}\nkind: ${kind}\nmetadata: { name: p }\n`),
      { message: new RegExp(`${kind} p \\(${api}`) },
    )
  t.throws(() => importKubernetes(policyOf('{ podSelector: {} }')), { message: /no Pod/ })
  t.throws(() => importKubernetes(''), { message: /no object/ })
})

t.test('a selector of namespaces whose labels are not in the file selects nothing', async t => {
  const spec =
    '{ podSelector: {}, ingress: [{ from: [{ namespaceSelector: { matchExpressions: [{ key: team, operator: NotIn, values: [x] }] } }] }] }'
  const text = pod('a', 'app: a', '10.0.0.1') + policyOf(spec)
  t.same(ruleLines(importKubernetes(text).text), [
    'no-other-ingress: drop any from any to default-n',
  ])
  t.throws(() => importKubernetes(text, { onLoss: 'fail' }), { message: /labels of the namespace/ })
})

const rule = (more: object) => ({ direction: 'ingress', ethertype: 'IPv4', ...more })
const cloud = (rules: object[], ports: object[], name = 'web') =>
  JSON.stringify({ security_groups: [{ id: 'g1', name, security_group_rules: rules }], ports })
const port = (ip: string, more: object = {}) => ({
  fixed_ips: [{ ip_address: ip }],
  security_groups: ['g1'],
  ...more,
})

t.test('ports are restricted as Neutron does, whatever they look like', async t => {
  const from = rule({
    remote_group_id: 'g1',
    protocol: 'tcp',
    port_range_min: 22,
    port_range_max: 22,
  })
  const pairs = cloud(
    [from],
    [port('10.0.0.5', { allowed_address_pairs: [{ ip_address: '10.0.0.100' }] })],
  )
  t.match(importOpenstack(pairs).text, 'zone web = 10.0.0.5, 10.0.0.100\n')
  t.match(ruleLines(importOpenstack(pairs).text)[1], 'from 10.0.0.5, 10.0.0.100 to web')
  const none = cloud([], [port('10.0.0.5'), port('10.0.0.6', { security_groups: [] })])
  t.match(importOpenstack(none).text, 'zone without-group = 10.0.0.6\n')
  const free = cloud([], [port('10.0.0.5', { port_security_enabled: false })])
  t.same(ruleLines(importOpenstack(free).text), [])
  t.match(importOpenstack(cloud([], [port('10.0.0.5')], 'default')).text, 'zone z-default = ')
})

t.test('an address that ports with different groups share is nobody’s', async t => {
  const groups = { security_groups: ['g2'] }
  // A prefix that a port may use as well holds no address of another port.
  const prefix = cloud(
    [],
    [
      port('10.0.0.5', { allowed_address_pairs: [{ ip_address: '10.0.0.0/29' }] }),
      port('10.0.0.6', groups),
    ],
  )
  t.match(importOpenstack(prefix).text, 'zone web = 10.0.0.0-10.0.0.5, 10.0.0.7\n')
  // Networks of two projects, each with the same address.
  const twins = importOpenstack(cloud([], [port('10.0.0.5'), port('10.0.0.5', groups)]))
  t.match(twins.text, 'zone without-group = 10.0.0.5\n')
  t.notMatch(twins.text, /zone web/)
  t.match(
    twins.notes.filter(({ kind }) => kind === 'closed').map(({ message }) => message)[0],
    /share 10.0.0.5/,
  )
  const same = importOpenstack(cloud([], [port('10.0.0.5'), port('10.0.0.5')]))
  t.match(same.text, 'zone web = 10.0.0.5\n')
})

t.test('ICMPv6 is not of IPv4, and what is no address is no port', async t => {
  const odd = importOpenstack(cloud([rule({ protocol: 'icmpv6' })], [port('10.0.0.5')]))
  t.same(
    odd.notes.map(({ kind }) => kind),
    ['left out'],
  )
  const listed = cloud([], [port("ip_address='10.0.0.5', subnet_id='s'")])
  t.match(importOpenstack(listed).text, 'zone web = 10.0.0.5\n')
  t.throws(() => importOpenstack(cloud([], [port('here')])), { message: /"here" is no address/ })
})

t.test('groups that are not in the file end the import', async t => {
  const groups = cloud([rule({ remote_group_id: 'g9' })], [port('10.0.0.5')])
  t.throws(() => importOpenstack(groups), { message: /group g9 is not in the file/ })
  const addresses = cloud([rule({ remote_address_group_id: 'a9' })], [port('10.0.0.5')])
  t.throws(() => importOpenstack(addresses), { message: /address group a9 is not in the file/ })
  t.throws(() => importOpenstack(cloud([], [])), { message: /no "ports"/ })
})

t.test('answers of the clients and templates are read as well', async t => {
  const expected = [
    'web-egress-1: pass any from web to 0.0.0.0/0',
    'no-other-egress: drop any from web to any',
    'web-ingress-2: allow tcp 80 from 0.0.0.0/0 to web',
    'no-other-ingress: drop any from any to web',
  ].sort()
  const client = `${JSON.stringify([{ ID: 'g1', Name: 'web', Description: '' }])}
---
${JSON.stringify([
  {
    ID: 'r1',
    'IP Protocol': null,
    Ethertype: 'IPv4',
    'IP Range': '0.0.0.0/0',
    'Port Range': '',
    Direction: 'egress',
    'Security Group': 'g1',
  },
  {
    ID: 'r2',
    'IP Protocol': 'tcp',
    Ethertype: 'IPv4',
    'IP Range': '0.0.0.0/0',
    'Port Range': '80:80',
    Direction: 'ingress',
    'Security Group': 'g1',
  },
])}
---
${JSON.stringify([{ ID: 'p1', Name: '', 'Fixed IP Addresses': [{ ip_address: '10.0.0.5' }], 'Security Groups': ['g1'] }])}
`
  const withoutNumbers = (lines: string[]) => lines.map(line => line.replace(/-\d+:/, ':')).sort()
  t.same(withoutNumbers(ruleLines(importOpenstack(client).text)), withoutNumbers(expected))
  const heat = `heat_template_version: 2018-08-31
resources:
  web:
    type: OS::Neutron::SecurityGroup
    properties:
      rules:
        - { direction: egress, ethertype: IPv4 }
        - { protocol: tcp, port_range_min: 80, port_range_max: 80 }
  server:
    type: OS::Neutron::Port
    properties: { fixed_ips: [{ ip_address: 10.0.0.5 }], security_groups: [{ get_resource: web }] }
`
  t.same(withoutNumbers(ruleLines(importOpenstack(heat).text)), withoutNumbers(expected))
})
