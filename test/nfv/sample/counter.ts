/**
 * A network function as small as one can be: it counts, in a table of its own, what a declared host sends, and hears of
 * its datagrams to the discard port (RFC 863).
 */
import Type from 'typebox'
import { parseMac } from '../../../src/base/addresses.js'
import type { DeclaredObject, NetworkFunction, RunningFunction } from '../../../src/nfv/function.js'
import { etherTypes, ipProtocols } from '../../../src/pipeline/packet.js'
import { flow, type Origin, section } from '../../../src/pipeline/program.js'
import { declareTables } from '../../../src/pipeline/tables.js'
import { declarePunts, writeUserdata } from '../../../src/pipeline/userdata.js'

declare module '../../../src/pipeline/tables.js' {
  interface FunctionTables {
    readonly counter: true
  }
}
declare module '../../../src/pipeline/userdata.js' {
  interface FunctionPunts {
    readonly counted: true
  }
}
declareTables([['counter', 16, 'what declared hosts send is counted', 'answer']])
declarePunts([['counted', 200]])

const macsOf = (objects: readonly DeclaredObject[]): number[] =>
  objects.map(({ spec }) => parseMac((spec as { mac: string }).mac)!)

export const counterFunction: NetworkFunction = {
  name: 'counter',
  kinds: [
    {
      kind: 'Counter',
      path: 'counter',
      plural: 'counters',
      summary: 'counts what a host sends',
      schema: Type.Object({ mac: Type.String() }, { additionalProperties: false }),
    },
  ],
  create: host => {
    let macs: readonly number[] = []
    let heard = 0
    const origin: Origin = { kind: 'function', name: 'counter' }
    const hear = { kind: 'controller', maxLength: 128, userdata: writeUserdata('counted') } as const
    const discard = { eth_type: etherTypes.ipv4, ip_proto: ipProtocols.udp, udp_dst: 9 }
    const running: RunningFunction = {
      punts: { counted: { kind: 'packets', receive: () => void heard++ } },
      views: [
        {
          name: 'counted',
          summary: 'datagrams to the discard port',
          columns: [['HEARD', 'heard']],
          items: () => [{ heard }],
        },
      ],
      declare: (_, objects) => {
        macs = macsOf(objects)
        host.changed()
      },
      state: () => ({ state: 'installed' }),
      compile: () => {
        const rows = macs.flatMap(eth_src => [
          flow('claims', 5, { eth_src }, { goto: 'counter' }, 'it is counted', origin),
          flow(
            'counter',
            10,
            { eth_src, ...discard },
            { actions: [hear], goto: 'answer' },
            'and heard',
            origin,
          ),
        ])
        const all = [
          section('counter/all', {
            flows: [...rows, flow('counter', 0, {}, { goto: 'answer' }, 'goes on', origin)],
          }),
        ]
        return () => all
      },
    }
    return running
  },
}
