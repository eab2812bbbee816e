/** Meters that keep logs and rejections from flooding the controller, for all ports of a switch. */
import { learningRows } from '../nfv/firewall/tables.js'
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

export const learnMeter = meterNumber('learn')

/** While rules are learnt: what watches the connections that are accepted. */
export const learningSection = (generation: number): Section =>
  section('firewall/learning', {
    flows: learningRows(generation, learnMeter),
    meters: [
      {
        id: learnMeter,
        unit: 'pktps',
        bands: [{ type: 'drop', rate: 1_000, burstSize: 1_000 }],
        because: 'connections that are looked at each second while rules are learnt',
        origin: { kind: 'base', name: 'firewall' },
      },
    ],
  })
