import t from 'tap'
import { importKubernetes } from '../../../../src/nfv/firewall/import/kubernetes.js'
import { importOpenstack } from '../../../../src/nfv/firewall/import/openstack.js'
import { loadText } from '../../../../src/nfv/firewall/load.js'
import { Parser } from '../../../../src/nfv/firewall/parse.js'

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
    `# from Kubernetes NetworkPolicy; nodes are not told from other senders
default allow

zone shop-api = 10.0.0.2, fd00::2

tier application
  shop-api-out-1: pass udp 53 from shop-api to 10.0.0.1, 10.0.0.2, fd00::2
  no-other-egress: drop any from shop-api to any

tier baseline
  shop-api-in-1: allow tcp 8080, tcp 9000-9010 from 10.0.0.1 to shop-api
  shop-api-in-1-2: allow tcp 8080, tcp 9000-9010 from 192.0.2.0/24 except 192.0.2.128/25 to shop-api
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
  t.throws(() => importOpenstack('{}'), { message: /"security_groups" is missing/ })
})
