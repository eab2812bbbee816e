/** dhclient, udhcpc and dhcping on Open vSwitch, and dnsmasq that wants to be a server beside ours. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { ensurePackages } from '../../../src/lab/install.js'
import { sh, start } from '../../../src/lab/shell.js'
import { root, withOvs } from '../../topology/ovs/rig.js'
import { until } from '../../until.js'
import { clientNeeds } from './needs.js'

/*
 *   ann (isc), eve (a foreign server) at s1 ── s2 at bob (busybox), old (10.1.0.101 by hand)
 */
const network = `title: Clients of DHCP
switches: [s1, s2]
links:
  - [s1:10, s2:10]
hosts:
  ann: { at: s1:1, ips: [10.1.0.31/24] }
  eve: { at: s1:2, ips: [10.1.0.66/24] }
  bob: { at: s2:1, ips: [10.1.0.34/24] }
  old: { at: s2:2, ips: [10.1.0.101/24] }
objects:
  - kind: Network
    name: staff
    spec:
      number: 10
      access: [s1:1, s1:2, s2:1, s2:2]
      dns: { zone: office.example }
      dhcp:
        range: 10.1.0.100-10.1.0.120
        lease: 10m
        dns: [10.1.0.53]
        options: { domain: office.example, ntp: [10.1.0.3], routes: [{ to: 10.9.0.0/16, via: 10.1.0.9 }] }
        reservations: [{ mac: "02:00:00:00:00:77", address: 10.1.0.7 }]
  - { kind: Router, name: main, spec: { interfaces: [{ network: staff, addresses: [10.1.0.254/24] }] } }
`

/** Puts what it was told into a file, and the address on the interface: never into files of this machine. */
const script = `#!/bin/sh
env > "$TOLD.new" && mv "$TOLD.new" "$TOLD"
case "$reason$1" in
  BOUND|REBOOT|bound|renew)
    ip addr flush dev "$interface"
    ip addr add "\${new_ip_address:-$ip}/24" dev "$interface" ;;
  PREINIT|deconfig) ip link set "$interface" up ;;
esac
exit 0
`

t.test('clients that people have', root, async t => {
  await ensurePackages(clientNeeds, text => t.comment(text))
  const folder = mkdtempSync(join(tmpdir(), 'sluice-dhcp-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  writeFileSync(join(folder, 'script'), script, { mode: 0o755 })
  // What Debian asks for besides what clients ask for anyway.
  writeFileSync(
    join(folder, 'named'),
    'send host-name "ann-laptop"; request subnet-mask, routers, domain-name-servers, domain-name, ntp-servers;\n',
  )
  await withOvs(network, async ({ stage, controller }) => {
    const words = (name: string): string[] => ['ip', 'netns', 'exec', stage.rig.hostNamespace(name)]
    const run = (name: string, command: string) =>
      sh('ip', ...words(name).slice(1), 'sh', '-c', `${command} 2>&1 || true`)
    const told = (name: string) =>
      Object.fromEntries(
        readFileSync(join(folder, name), 'utf8')
          .split('\n')
          .map(line => line.split(/=(.*)/s).slice(0, 2)),
      ) as Record<string, string>
    const dhclient = (name: string, more: string) =>
      run(
        name,
        `TOLD=${folder}/${name} timeout 20 dhclient -4 -1 -v -sf ${folder}/script -e TOLD=${folder}/${name} -lf ${folder}/${name}.leases -pf ${folder}/${name}.pid ${more} eth0 > ${folder}/${name}.said 2>&1; cat ${folder}/${name}.said`,
      )
    const udhcpc = (name: string, device: string, more = '') =>
      run(
        name,
        `TOLD=${folder}/${name} timeout 20 udhcpc -f -q -n -t 5 -T 1 -i ${device} -s ${folder}/script ${more}`,
      )
    const leases = async () =>
      (await controller.get<{ items: Record<string, string>[] }>('/api/v1/leases')).items

    for (const name of ['ann', 'bob']) await run(name, 'ip -4 addr flush scope global')
    const said = await dhclient('ann', `-cf ${folder}/named`)
    t.match(said, /bound to 10\.1\.0\.100/, said)
    t.match(told('ann'), {
      new_ip_address: '10.1.0.100',
      new_subnet_mask: '255.255.255.0',
      new_routers: '10.1.0.254',
      new_domain_name_servers: '10.1.0.53',
      new_domain_name: 'office.example',
      new_dhcp_lease_time: '600',
      new_dhcp_server_identifier: '10.1.0.254',
    })
    t.match(await run('ann', 'ping -c 2 -i 0.2 -W 3 10.1.0.101'), / 0% packet loss/)
    t.match(await leases(), [{ ip: '10.1.0.100', name: 'ann-laptop', state: 'bound', at: 's1:1' }])

    const busybox = await udhcpc('bob', 'eth0', '-x hostname:bob-pi')
    t.match(busybox, /lease of 10\.1\.0\.102 obtained/, `101 is used by hand: ${busybox}`)
    t.match(told('bob'), { ip: '10.1.0.102', router: '10.1.0.254', dns: '10.1.0.53' })
    t.match(await udhcpc('bob', 'eth0', '-B'), /lease of 10\.1\.0\.102 obtained/, 'by broadcast')
    t.match(await udhcpc('bob', 'eth0', '-r 10.1.0.110'), /lease of 10\.1\.0\.102 obtained/)
    t.match(await run('bob', 'ping -c 2 -i 0.2 -W 3 10.1.0.254'), / 0% packet loss/, 'the router')
    t.match(await run('bob', 'ping -c 2 -i 0.2 -W 3 10.1.0.100'), / 0% packet loss/, 'ann')

    const mac = (await run('bob', 'cat /sys/class/net/eth0/address')).trim()
    t.match(
      await run('bob', `dhcping -v -t 5 -h ${mac} -s 10.1.0.254 -c 10.1.0.102`),
      /Got answer from: 10\.1\.0\.254/,
    )
    const dig = (words: string) => run('bob', `dig +time=2 +tries=1 @10.1.0.254 ${words}`)
    t.match(await dig('+short ann.office.example'), /^10\.1\.0\.100$/m)
    t.match(await dig('+short -x 10.1.0.100'), /^ann\.office\.example\.$/m)
    t.match(await dig('www.test.example'), /status: REFUSED/)
    t.match(await dig('+tcp ann.office.example'), /connection refused/)
    t.match(await run('bob', 'drill @10.1.0.254 main.office.example'), /IN\s+A\s+10\.1\.0\.254/)

    const foreign = start(
      'ip',
      [
        ...words('eve').slice(1),
        ...['dnsmasq', '--no-daemon', '--port=0', '--conf-file=/dev/null', '--interface=eth0'],
        ...['--dhcp-authoritative', '--dhcp-range=10.1.0.200,10.1.0.220,1h'],
        `--dhcp-leasefile=${folder}/dnsmasq.leases`,
      ],
      { stdio: 'ignore' },
    )
    try {
      await run('bob', 'sleep 1')
      const [first] = await leases()
      t.ok(first)
      await dhclient('ann', '-r')
      await until(async () => (await leases()).some(({ state }) => state === 'released'), 10_000)
      t.match(await dhclient('ann', ''), /bound to 10\.1\.0\.1[01]\d/, 'by ours, not by the other')
      const { items } = await controller.get<{ items: { kind: string; ip?: string }[] }>(
        '/api/v1/events?since=0',
      )
      t.ok(items.some(({ kind, ip }) => kind === 'dhcp-address-in-use' && ip === '10.1.0.101'))
    } finally {
      foreign.kill()
    }
    await dhclient('ann', '-x')
  })
})
