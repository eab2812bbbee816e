/** Names that iptables and nft write for numbers: IP protocols, ports (IANA), types of ICMP. */
import { icmp6Types, icmpTypes } from '../text/words.js'

// biome-ignore format: a table
const protocolNames: Readonly<Record<string, number>> = {
  hopopt: 0, ip: 0, icmp: 1, igmp: 2, ggp: 3, ipencap: 4, ipip: 4, st: 5, tcp: 6, egp: 8, igp: 9, pup: 12, udp: 17, hmp: 20,
  'xns-idp': 22, rdp: 27, 'iso-tp4': 29, dccp: 33, xtp: 36, ddp: 37, 'idpr-cmtp': 38, ipv6: 41, 'ipv6-route': 43,
  'ipv6-frag': 44, idrp: 45, rsvp: 46, gre: 47, esp: 50, 'ipsec-esp': 50, ah: 51, 'ipsec-ah': 51, skip: 57, 'ipv6-icmp': 58, icmpv6: 58,
  icmp6: 58, 'ipv6-nonxt': 59, 'ipv6-opts': 60, rspf: 73, vmtp: 81, eigrp: 88, ospf: 89, ospfigp: 89, 'ax.25': 93,
  etherip: 97, encap: 98, pim: 103, ipcomp: 108, vrrp: 112, carp: 112, l2tp: 115, isis: 124, sctp: 132, fc: 133, 'mobility-header': 135,
  udplite: 136, 'mpls-in-ip': 137, manet: 138, hip: 139, pfsync: 240, shim6: 140, wesp: 141, rohc: 142, ethernet: 143, mptcp: 262,
}

// biome-ignore format: a table
const portNames: Readonly<Record<string, number>> = {
  tcpmux: 1, echo: 7, discard: 9, systat: 11, daytime: 13, netstat: 15, qotd: 17, chargen: 19, 'ftp-data': 20, ftp: 21, ssh: 22,
  telnet: 23, smtp: 25, mail: 25, time: 37, whois: 43, nicname: 43, tacacs: 49, domain: 53, dns: 53, bootps: 67, bootpc: 68, tftp: 69, gopher: 70,
  finger: 79, http: 80, www: 80, 'www-http': 80, kerberos: 88, 'iso-tsap': 102, 'acr-nema': 104, pop3: 110, 'pop-3': 110, sunrpc: 111, portmapper: 111, rpcbind: 111, auth: 113,
  ident: 113, nntp: 119, ntp: 123, epmap: 135, 'loc-srv': 135, 'netbios-ns': 137, 'netbios-dgm': 138, 'netbios-ssn': 139, imap2: 143, imap: 143, snmp: 161, 'snmp-trap': 162,
  snmptrap: 162, xdmcp: 177, bgp: 179, irc: 194, smux: 199, qmtp: 209, ipx: 213, ldap: 389, svrloc: 427, slp: 427, https: 443, snpp: 444,
  'microsoft-ds': 445, kpasswd: 464, saft: 487, isakmp: 500, ike: 500, exec: 512, login: 513, shell: 514, syslog: 514, who: 513, printer: 515, talk: 517, ntalk: 518, route: 520, rip: 520, gdomap: 538,
  uucp: 540, klogin: 543, kshell: 544, 'dhcpv6-client': 546, 'dhcpv6-server': 547, rtsp: 554, nqs: 607, 'asf-rmcp': 623, 'ipmi': 623, ipp: 631, ldaps: 636, 'tinc': 655, silc: 706, rsync: 873,
  'domain-s': 853, 'ftps-data': 989, ftps: 990, telnets: 992, imaps: 993, pop3s: 995, socks: 1080, proofd: 1093, rmiregistry: 1099, openvpn: 1194,
  nessus: 1241, 'ms-sql-s': 1433, 'ms-sql-m': 1434, ingreslock: 1524, datametrics: 1645, 'sa-msg-port': 1646, l2f: 1701, l2tp: 1701, pptp: 1723, radius: 1812, 'radius-acct': 1813, 'radacct': 1813, cisco_sccp: 2000, nfs: 2049,
  gnunet: 2086, 'rtcm-sc104': 2101, zephyr_srv: 2102, cvspserver: 2401, venus: 2430, 'mon': 2583, zebra: 2600, dict: 2628, f5_globalsite: 2792, gsiftp: 2811, gpsd: 2947, gds_db: 3050, icpv2: 3130, squid: 3128,
  iscsi_target: 3260, 'iscsi-target': 3260, mysql: 3306, 'ms-wbt-server': 3389, rdp: 3389, nut: 3493, stun: 3478, turn: 3478, 'distcc': 3632, daap: 3689, svn: 3690, subversion: 3690, suucp: 4031, sysrqd: 4094, sieve: 4190, epmd: 4369, remctl: 4373,
  'ipsec-nat-t': 4500, 'f5_iquery': 4353, 'ntske': 4460, iax: 4569, mtn: 4691, radmin_port: 4899, munin: 4949, 'vxlan': 4789, rfe: 5002, mmcc: 5050, sip: 5060, 'sip-tls': 5061, sips: 5061, aol: 5190, 'xmpp-client': 5222, 'xmpp-server': 5269, 'cfengine': 5308, mdns: 5353,
  postgresql: 5432, postgres: 5432, freeciv: 5556, amqps: 5671, amqp: 5672, 'vnc-server': 5900, x11: 6000, 'x11-1': 6001, 'gnutella-svc': 6346, 'redis': 6379, 'sge_qmaster': 6444, 'mysql-proxy': 6446, babel: 6696, ircd: 6667, 'ircs-u': 6697, bbs: 7000, 'afs3-fileserver': 7000, 'font-service': 7100,
  zope: 9673, 'http-alt': 8080, webcache: 8080, tproxy: 8081, omniorb: 8088, 'puppet': 8140, 'https-alt': 8443, 'bacula-dir': 9101, 'bacula-fd': 9102, 'bacula-sd': 9103, xmms2: 9667, 'git': 9418, 'zabbix-agent': 10050, 'zabbix-trapper': 10051, amanda: 10080, nbd: 10809, dicom: 11112, hkp: 11371, 'memcache': 11211,
  'mongodb': 27017, 'quake': 26000, 'wnn6': 22273, 'sgi-cad': 17004, 'db-lsp': 17500, 'binkp': 24554, 'asp': 27374, 'csync2': 30865, 'dircproxy': 57000, 'tfido': 60177, 'fido': 60179,
}

// biome-ignore format: a table
const icmpNames: Readonly<Record<string, string>> = {
  ping: '8', pong: '0', 'echo-request': '8', 'echo-reply': '0', 'destination-unreachable': '3', 'network-unreachable': '3/0', 'host-unreachable': '3/1', 'protocol-unreachable': '3/2',
  'port-unreachable': '3/3', 'fragmentation-needed': '3/4', 'source-route-failed': '3/5', 'network-unknown': '3/6', 'host-unknown': '3/7', 'network-prohibited': '3/9',
  'host-prohibited': '3/10', 'TOS-network-unreachable': '3/11', 'TOS-host-unreachable': '3/12', 'communication-prohibited': '3/13', 'host-precedence-violation': '3/14',
  'precedence-cutoff': '3/15', 'source-quench': '4', redirect: '5', 'network-redirect': '5/0', 'host-redirect': '5/1', 'TOS-network-redirect': '5/2', 'TOS-host-redirect': '5/3',
  'router-advertisement': '9', 'router-solicitation': '10', 'time-exceeded': '11', 'ttl-exceeded': '11', 'ttl-zero-during-transit': '11/0', 'ttl-zero-during-reassembly': '11/1',
  'parameter-problem': '12', 'ip-header-bad': '12/0', 'required-option-missing': '12/1', 'timestamp-request': '13', 'timestamp-reply': '14', 'info-request': '15', 'info-reply': '16',
  'address-mask-request': '17', 'address-mask-reply': '18',
}

// biome-ignore format: a table
const icmp6Names: Readonly<Record<string, string>> = {
  'destination-unreachable': '1', 'no-route': '1/0', 'communication-prohibited': '1/1', 'beyond-scope': '1/2', 'address-unreachable': '1/3', 'port-unreachable': '1/4',
  'failed-policy': '1/5', 'reject-route': '1/6', 'packet-too-big': '2', 'time-exceeded': '3', 'ttl-exceeded': '3', 'ttl-zero-during-transit': '3/0', 'ttl-zero-during-reassembly': '3/1',
  'parameter-problem': '4', 'bad-header': '4/0', 'unknown-header-type': '4/1', 'unknown-option': '4/2', ping: '128', pong: '129', 'echo-request': '128', 'echo-reply': '129',
  'mld-listener-query': '130', 'mld-listener-report': '131', 'mld-listener-done': '132', 'mld-listener-reduction': '132', 'mld2-listener-report': '143', 'router-solicitation': '133', 'nd-router-solicit': '133', 'router-advertisement': '134',
  'nd-router-advert': '134', 'neighbour-solicitation': '135', 'neighbor-solicitation': '135', 'nd-neighbor-solicit': '135', 'neighbour-advertisement': '136', 'neighbor-advertisement': '136',
  'nd-neighbor-advert': '136', redirect: '137', 'nd-redirect': '137', 'router-renumbering': '138', 'ind-neighbor-solicit': '141', 'ind-neighbor-advert': '142',
}

const numberOf = (text: string, names: Readonly<Record<string, number>>, most: number) => {
  const named = Object.hasOwn(names, text) ? names[text] : undefined
  if (named !== undefined) return named
  const value = /^(0x[0-9a-f]+|\d+)$/i.test(text) ? Number(text) : Number.NaN
  return value <= most ? value : undefined
}

/** Undefined: no protocol is named so. */
export const protocolNumber = (text: string): number | undefined =>
  numberOf(text.toLowerCase(), protocolNames, 255)

export const portNumber = (text: string): number | undefined => numberOf(text, portNames, 65_535)

/** Type and code, `3/4`, from the words of either tool; undefined: no type is named so. */
export const icmpNumbers = (
  version: 4 | 6,
  text: string,
): { readonly type: number; readonly code: number | undefined } | undefined => {
  const names = version === 4 ? icmpNames : icmp6Names
  const known = version === 4 ? icmpTypes : icmp6Types
  const words = Object.hasOwn(names, text)
    ? names[text]!
    : Object.hasOwn(known, text)
      ? String(known[text])
      : text
  const found = /^(\d{1,3})(?:\/(\d{1,3}))?$/.exec(words)
  if (found === null || Number(found[1]) > 255 || Number(found[2] ?? 0) > 255) return undefined
  return { type: Number(found[1]), code: found[2] === undefined ? undefined : Number(found[2]) }
}
