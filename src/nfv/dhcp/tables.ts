/** The reasons for which packets of DHCP come to the controller; the value is the network where they came in. */
import { declarePunts } from '../../pipeline/userdata.js'

declare module '../../pipeline/userdata.js' {
  interface FunctionPunts {
    readonly dhcp: true
    readonly dhcp6: true
    readonly dhcpForeign: true
  }
}

declarePunts([
  ['dhcp', 30, 'the DHCP server of the network answers'],
  ['dhcpForeign', 31, 'it is told that a DHCP server is there that nobody has declared'],
  ['dhcp6', 32, 'the DHCP server of the network answers'],
])
