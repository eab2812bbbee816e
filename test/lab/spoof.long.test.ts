/** The step `spoof` sees each way in which a lie could win: it is tried on networks that fail in one way each. */
import t from 'tap'
import type { ControllerProcess } from '../../src/lab/controller-process.js'
import { spoof, type Telling } from '../../src/lab/network-steps.js'
import { readLab } from '../../src/lab/spec.js'
import type { Stage } from '../../src/lab/stage.js'

const spec = readLab(
  'lie',
  'lab.yaml',
  `title: A liar, a victim, and somebody who is lied to
rules: none.rules
switches: [s1, s2]
links: [[s1:9, s2:9]]
hosts:
  liar: { at: s1:1, ips: [10.0.0.1/24] }
  victim: { at: s2:1, ips: [10.0.0.2/24] }
  other: { at: s2:2, ips: [10.0.0.3/24] }
steps:
  - spoof: { from: liar, as: victim, claims: [ip] }
`,
)

interface Network {
  readonly hosts: readonly object[]
  readonly events: readonly object[]
  /** What `other` has heard. */
  readonly heard: Readonly<Record<string, number>>
}

const victim = { mac: '02:00:00:00:01:02', ips: ['10.0.0.2'], switch: 's2', port: 1 }
const refused = { sequence: 8, kind: 'host-refused', dpid: '0000000000000001', port: 1 }
const honest = { 'udp 10.0.0.1 1234': 1 }
const sound: Network = { hosts: [victim], events: [refused], heard: honest }

/** What the three assertions of the step have seen. */
const seenOn = async ({ hosts, events, heard }: Network): Promise<string[]> => {
  const seen: string[] = []
  const answers = (path: string) =>
    path === '/api/v1/hosts' ? hosts : path.endsWith('since=0') ? [{ sequence: 7 }] : events
  // Only what the step asks for.
  const controller = {
    get: async (path: string) => ({
      items: path === '/api/v1/events?since=7' && seen.length < 2 ? [] : answers(path),
    }),
  } as unknown as ControllerProcess
  const stage = {
    sendFrames: async () => undefined,
    heard: async (host: string) => (host === 'other' ? heard : {}),
  } as unknown as Stage
  const telling: Telling = {
    spec,
    stage,
    controller,
    judge: async (_name, _expected, look) => {
      seen.push(await look())
    },
  }
  await spoof(telling, { from: 'liar', as: 'victim', claims: ['ip'] })
  return seen
}

const stays = 's2:1, and nothing came in its name'

t.test('a sound network passes', async t => {
  t.same(await seenOn(sound), ['yes', stays, 'told'])
})

t.test('each way to fail is seen', { timeout: 60_000 }, async t => {
  const thief = { mac: '02:00:00:00:01:01', ips: ['10.0.0.2'], switch: 's1', port: 1 }
  const [moved, address, through, untold, elsewhere, deaf] = await Promise.all([
    seenOn({ ...sound, hosts: [{ ...victim, switch: 's1' }] }),
    seenOn({ ...sound, hosts: [{ ...victim, ips: [] }, thief] }),
    seenOn({ ...sound, heard: { ...honest, 'udp 10.0.0.2 1234': 3 } }),
    seenOn({ ...sound, events: [] }),
    seenOn({ ...sound, events: [{ ...refused, dpid: '0000000000000002' }] }),
    seenOn({ ...sound, heard: {} }),
  ])
  t.equal(moved[1], 's1:1, and nothing came in its name')
  t.equal(
    address[1],
    's2:1 without 10.0.0.2, s1:1 as 02:00:00:00:01:01, and nothing came in its name',
  )
  t.equal(through[1], 's2:1, and 3 came in its name')
  t.equal(untold[2], 'not a word')
  t.equal(elsewhere[2], 'not a word')
  t.equal(deaf[0], 'nobody had it')
})
