/** `sluice get leases`. */
import type { TopologyService } from '../../topology/topology.js'
import type { View } from '../function.js'
import type { Entry, LeaseBook, StoredLease } from './book.js'
import { formatTime } from './ranges.js'
import type { LeaseBook6 } from './v6/book.js'

export const leasesView = (
  book: LeaseBook,
  book6: LeaseBook6,
  topology: TopologyService,
): View => ({
  name: 'leases',
  summary: 'addresses that the DHCP servers of networks have given, and for how long yet',
  columns: [
    ['NETWORK', 'network'],
    ['ADDRESS', 'ip'],
    ['MAC', 'mac'],
    ['NAME', 'name'],
    ['STATE', 'state'],
    ['LEFT', 'left'],
    ['AT', 'at'],
    ['RELAY', 'relayed'],
  ],
  items: () => {
    const { networks, switches } = topology.current
    const nameOf = (number: number) =>
      networks.find(each => each.number === number)?.name ?? String(number)
    const placeOf = ({ at }: Pick<StoredLease, 'at'>) =>
      at && { at: `${switches.get(at.dpid)?.name ?? at.dpid}:${at.port}` }
    const v4 = [...book.entries]
      .map(([, entry]) => entry)
      .sort((a, b) => a.lease.network - b.lease.network || compare(a, b))
      .map(entry => {
        const { lease } = entry
        const isRunning = book.isRunning(entry)
        return {
          network: nameOf(lease.network),
          ip: lease.ip,
          mac: lease.mac,
          client: lease.client,
          ...(lease.name !== undefined && { name: lease.name }),
          state: isRunning || lease.state === 'released' ? lease.state : 'expired',
          left: isRunning ? formatTime(book.secondsLeft(entry)) : '-',
          secondsLeft: isRunning ? Math.round(book.secondsLeft(entry)) : 0,
          until: new Date(lease.untilMillis).toISOString(),
          ...placeOf(lease),
          ...(lease.relay && { relayed: relayText(lease), relay: lease.relay }),
        }
      })
    const v6 = [...book6.entries].map(entry => {
      const { lease } = entry
      const isRunning = book6.isRunning(entry)
      const left = book6.secondsLeft(entry)
      return {
        network: nameOf(lease.network),
        ip: lease.ip,
        mac: lease.mac,
        client: lease.client,
        ...(lease.name !== undefined && { name: lease.name }),
        state: isRunning || lease.state === 'released' ? lease.state : 'expired',
        left: isRunning ? formatTime(left) : '-',
        secondsLeft: isRunning ? Math.round(left) : 0,
        until: new Date(lease.untilMillis).toISOString(),
        ...placeOf(lease),
      }
    })
    return [...v4, ...v6]
  },
})

const compare = (a: Entry, b: Entry): number =>
  a.lease.ip.localeCompare(b.lease.ip, 'en', { numeric: true })

/** `10.9.0.1 circuit eth0/7 remote 0a0b`: what is text as text. */
const relayText = ({ relay }: StoredLease): string =>
  [
    relay?.agent,
    relay?.circuitId && `circuit ${readable(relay.circuitId)}`,
    relay?.remoteId && `remote ${readable(relay.remoteId)}`,
  ]
    .filter(Boolean)
    .join(' ')

const readable = (hex: string): string => {
  const text = Buffer.from(hex, 'hex').toString('latin1')
  return /^[\x21-\x7e]+$/.test(text) ? text : hex
}
