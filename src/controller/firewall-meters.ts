/** Meters that keep logs and rejections from flooding the controller, for all ports of a switch. */
import { meterNumber, type Section, section } from '../pipeline/program.js'

export const logMeter = meterNumber('log')
export const rejectMeter = meterNumber('reject')

export const limits: Section = section('firewall/meters', {
  meters: [
    [logMeter, 500, 'log lines that rules may cause each second'],
    [rejectMeter, 2_000, 'rejections that are answered each second'],
  ].map(([id, rate, because]) => ({
    id: Number(id),
    unit: 'pktps',
    bands: [{ type: 'drop', rate: Number(rate), burstSize: Number(rate) }],
    because: String(because),
    origin: { kind: 'base', name: 'firewall' },
  })),
})
