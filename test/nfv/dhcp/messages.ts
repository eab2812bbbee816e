/** Messages of clients as the server reads them. */
import { type DhcpMessage, type DhcpType, dhcpOption } from '../../../src/topology/dhcp-message.js'
import { four } from './client.js'

export const messageOf = (mac: number, type: DhcpType, address = 0): DhcpMessage => {
  const hardware = Buffer.alloc(6)
  hardware.writeUIntBE(mac, 0, 6)
  return {
    type,
    xid: 1,
    secs: 0,
    isBroadcast: false,
    client: 0,
    yours: 0,
    server: 0,
    relay: 0,
    hardwareType: 1,
    hardware: new Uint8Array(hardware),
    options: address === 0 ? new Map() : new Map([[dhcpOption.requestedAddress, four(address)]]),
  }
}
