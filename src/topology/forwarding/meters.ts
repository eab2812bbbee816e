/** The meters of forwarding: what may reach the controller each second. */
import { type Meter, meterNumber, type Origin } from '../../pipeline/program.js'

/** Senders of one edge port that teach. */
export const teachMeter = (port: number): number => meterNumber('teach', port)

/** Discovery frames of one edge port; 0: of all ports that are not decided. */
export const discoverMeter = (port: number): number => meterNumber('discover', port)

/** Frames that look for somebody unknown; all ports of a switch together. */
export const seekMeter = meterNumber('seek')

/** Questions that were answered; all ports of a switch together. */
export const askMeter = meterNumber('asked')

export const packetMeter = (
  id: number,
  rate: number,
  burstSize: number,
  because: string,
  origin: Origin,
): Meter => ({ id, unit: 'pktps', bands: [{ type: 'drop', rate, burstSize }], because, origin })
