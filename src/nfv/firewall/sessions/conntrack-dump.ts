/**
 * Connections as `ovs-appctl dpctl/dump-conntrack` prints them, a line each:
 *
 *     tcp,orig=(src=10.1.0.1,dst=10.2.0.10,sport=51380,dport=53),reply=(...),zone=1025,labels=0x2987eb7f0011,protoinfo=(state=TIME_WAIT)
 *     icmp,orig=(src=10.1.0.2,dst=10.2.0.10,id=7,type=8,code=0),reply=(...),zone=1025,labels=0x1
 *     gre,orig=(src=10.1.0.2,dst=10.2.0.10,sport=0,dport=0),reply=(...)
 */
import type { Ip } from '../../../base/addresses.js'
import { readLabel } from '../../../pipeline/registers.js'

/** Both ends of a connection. */
export interface Outside {
  readonly source: Ip
  readonly destination: Ip
  readonly sourcePort: number
  readonly destinationPort: number
}

export interface TrackedConnection {
  readonly zone: number
  /** Number of the IP protocol. */
  readonly protocol: number
  readonly source: Ip
  readonly destination: Ip
  /** For ICMP the type and the code. */
  readonly sourcePort: number
  readonly destinationPort: number
  /** The connection as its answers have it, turned round: what it is outside, where it is translated. */
  readonly outside: Outside
  /** Of TCP, as Open vSwitch names it. */
  readonly state?: string
  readonly label: ReturnType<typeof readLabel>
}

const protocols: Readonly<Record<string, number>> = {
  icmp: 1,
  igmp: 2,
  tcp: 6,
  udp: 17,
  dccp: 33,
  gre: 47,
  icmpv6: 58,
  sctp: 132,
  udplite: 136,
}

/** Lines that are no connections of a protocol with a number are left out. */
export const parseConntrack = (text: string): TrackedConnection[] =>
  text.split('\n').flatMap(line => {
    const found = /^(\w+),orig=\(([^)]*)\)(.*)$/.exec(line.trim())
    if (found === null) return []
    const [, name = '', original = '', rest = ''] = found
    const protocol = protocols[name] ?? (/^\d+$/.test(name) ? Number(name) : undefined)
    const tuple = new Map(original.split(',').map(part => part.split('=', 2) as [string, string]))
    const [source, destination] = [tuple.get('src'), tuple.get('dst')]
    if (protocol === undefined || source === undefined || destination === undefined) return []
    const state = /state=(\w+)/.exec(rest)?.[1]
    const sourcePort = Number(tuple.get('sport') ?? tuple.get('type') ?? 0)
    const destinationPort = Number(tuple.get('dport') ?? tuple.get('code') ?? 0)
    const own = {
      source: source as Ip,
      destination: destination as Ip,
      sourcePort,
      destinationPort,
    }
    return [
      {
        zone: Number(/,zone=(\d+)/.exec(rest)?.[1] ?? 0),
        protocol,
        // Open vSwitch prints addresses as we write them: RFC 5952.
        source: source as Ip,
        destination: destination as Ip,
        sourcePort,
        destinationPort,
        outside: outsideOf(rest, own),
        ...(state !== undefined && { state }),
        label: readLabel(BigInt(/,labels=(0x[0-9a-f]+)/.exec(rest)?.[1] ?? 0)),
      },
    ]
  })

/** Where answers come from and go to; of ICMP only the addresses differ. */
const outsideOf = (rest: string, own: Outside): Outside => {
  const reply = /reply=\(([^)]*)\)/.exec(rest)?.[1] ?? ''
  const tuple = new Map(reply.split(',').map(part => part.split('=', 2) as [string, string]))
  const [source, destination] = [tuple.get('dst'), tuple.get('src')]
  if (source === undefined || destination === undefined) return own
  return {
    source: source as Ip,
    destination: destination as Ip,
    sourcePort: Number(tuple.get('dport') ?? own.sourcePort),
    destinationPort: Number(tuple.get('sport') ?? own.destinationPort),
  }
}
