/**
 * `npm run bench -- ovsdb`: reading what a database says, and the difference between a declared switch and
 * what is there. No server takes part; medians of five.
 */
import { readFileSync } from 'node:fs'
import { difference, type Wanted } from '../src/controller/switch-setup/difference.js'
import { watched } from '../src/controller/switch-setup/tables.js'
import { JsonStream } from '../src/ovsdb/json-stream.js'
import { columnsThere, Replica } from '../src/ovsdb/replica.js'
import { readSchema } from '../src/ovsdb/schema.js'

const schema = readSchema(JSON.parse(readFileSync('test/fixtures/ovsdb/vswitch.ovsschema', 'utf8')))

const median = (run: () => number): number =>
  Array.from({ length: 5 }, run).sort((a, b) => a - b)[2]!

const millis = (run: () => void): number => {
  const start = performance.now()
  run()
  return performance.now() - start
}

const uuid = (kind: number, n: number): string =>
  `${String(kind).padStart(8, '0')}-0000-0000-0000-${String(n).padStart(12, '0')}`

/** A bridge with so many ports, as monitor_cond gives it. */
const contents = (count: number) => {
  const ports: Record<string, object> = {}
  const interfaces: Record<string, object> = {}
  for (let n = 0; n < count; n++) {
    interfaces[uuid(3, n)] = {
      initial: {
        name: `p${n}`,
        type: 'internal',
        ofport: n + 1,
        ofport_request: n + 1,
        external_ids: [
          'map',
          [
            ['sluice-owner', 'switch/s'],
            ['sluice-sets-s', 'ofport_request type'],
          ],
        ],
      },
    }
    ports[uuid(2, n)] = {
      initial: {
        name: `p${n}`,
        interfaces: ['uuid', uuid(3, n)],
        external_ids: ['map', [['sluice-owner', 'switch/s']]],
      },
    }
  }
  const refs = Object.keys(ports).map(ref => ['uuid', ref])
  return {
    Open_vSwitch: { [uuid(0, 0)]: { initial: { bridges: ['uuid', uuid(1, 0)], next_cfg: 1 } } },
    Bridge: {
      [uuid(1, 0)]: {
        initial: {
          name: 'p0',
          ports: ['set', refs],
          other_config: ['map', [['disable-in-band', 'true']]],
          external_ids: [
            'map',
            [
              ['sluice-owner', 'switch/s'],
              ['sluice-sets-s', 'other_config:disable-in-band'],
            ],
          ],
        },
      },
    },
    Port: ports,
    Interface: interfaces,
  }
}

const wantedOf = (count: number, first: number): Wanted => ({
  bridges: {
    p0: {
      ports: Object.fromEntries(
        Array.from({ length: count }, (_, n) => [
          `p${n}`,
          { type: 'internal' as const, ofport: n === 1 ? first : n + 1 },
        ]),
      ),
    },
  },
})

export const run = async (): Promise<void> => {
  const print = (what: string, figure: string) =>
    process.stdout.write(`${what.padEnd(66)} ${figure}\n`)
  const count = 10_000
  const all = contents(count)
  const text = Buffer.from(JSON.stringify({ id: 1, error: null, result: all }))
  const size = text.length / 1e6
  const whole = median(() =>
    millis(() => {
      const stream = new JsonStream()
      for (let at = 0; at < text.length; at += 65_536)
        stream.push(text.subarray(at, at + 65_536), () => undefined)
    }),
  )
  const parse = median(() => millis(() => JSON.parse(text.toString('utf8'))))
  print(
    `cut and parse one reply of ${size.toFixed(1)} MB (JSON.parse alone: ${parse.toFixed(0)} ms)`,
    `${whole.toFixed(0)} ms, ${(size / (whole / 1e3)).toFixed(0)} MB/s`,
  )
  const small = Buffer.from(
    JSON.stringify({
      method: 'update3',
      id: null,
      params: [
        'm',
        uuid(9, 9),
        {
          Interface: {
            [uuid(3, 1)]: {
              modify: {
                statistics: [
                  'map',
                  [
                    ['rx_packets', 12_345],
                    ['tx_packets', 23_456],
                  ],
                ],
              },
            },
          },
        },
      ],
    }).repeat(10_000),
  )
  const many = median(() =>
    millis(() => {
      const stream = new JsonStream()
      for (let at = 0; at < small.length; at += 65_536)
        stream.push(small.subarray(at, at + 65_536), () => undefined)
    }),
  )
  print('updates cut and parsed', `${Math.round(10_000 / (many / 1e3)).toLocaleString('en')} /s`)
  const fill = () => {
    const replica = new Replica(schema, columnsThere(schema, watched))
    replica.replace(all as Parameters<Replica['replace']>[0])
    return replica
  }
  print(
    `fill a replica with ${count.toLocaleString('en')} ports`,
    `${median(() => millis(fill)).toFixed(0)} ms`,
  )
  const replica = fill()
  const same = wantedOf(count, 2)
  const none = difference(same, replica, 'switch/s').operations.length
  print(
    `difference, ${count.toLocaleString('en')} ports declared, nothing differs (${none} operations)`,
    `${median(() => millis(() => difference(same, replica, 'switch/s'))).toFixed(0)} ms`,
  )
  const other = wantedOf(count, 20_000)
  const one = difference(other, replica, 'switch/s').operations.length
  print(
    `the same, one port differs (${one} operation)`,
    `${median(() => millis(() => difference(other, replica, 'switch/s'))).toFixed(0)} ms`,
  )
  const empty = new Replica(schema, columnsThere(schema, watched))
  const made = difference(same, empty, 'switch/s').operations.length
  print(
    `the same, nothing is there (${made.toLocaleString('en')} operations)`,
    `${median(() => millis(() => difference(same, empty, 'switch/s'))).toFixed(0)} ms`,
  )
}
