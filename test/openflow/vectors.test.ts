import { readFileSync } from 'node:fs'
import t, { type Test } from 'tap'
import { DecodeError, decode, encode, formatReceived } from '../../src/openflow/index.js'
import { differences } from './os-ken.js'

const folder = 'test/fixtures/openflow13'
const readLines = (name: string): string[] =>
  readFileSync(`${folder}/${name}`, 'utf8').trimEnd().split('\n')

interface Vector {
  readonly name: string
  readonly hex: string
  readonly json: never
}
const vectors = readLines('vectors.jsonl').map(line => JSON.parse(line) as Vector)

/** Refused, with the error that Open vSwitch 3.1 gives. */
// biome-ignore format: a table
const refused: Readonly<Record<string, string>> = {
  '4-59-ofp_packet_in': 'OFPBMC_BAD_VALUE',            // in_port of more than 16 bits that is no reserved port
  '4-60-ofp_flow_mod': 'OFPBMC_BAD_VALUE',             // the same
  '4-63-onf_flow_monitor_request': 'OFPBMC_BAD_LEN',   // os-ken leaves out the head of the match
}

/** Kept and written back the same, although Open vSwitch refuses them: we do not run them. */
// biome-ignore format: a table
const kept = [
  '4-2-ofp_flow_mod', '4-12-ofp_flow_stats_reply', '4-21-ofp_group_mod', '4-36-ofp_queue_get_config_reply', '4-45-ofp_meter_mod',
  '4-16-ofp_experimenter', '4-41-ofp_error_msg_experimenter', '4-61-ofp_experimenter_request', '4-62-ofp_experimenter_reply',
  'libofproto-OFP13-flow_mod_match_conj', 'ovs-ofctl-of13-action_ct',
]

const refusalOf = (hex: string): string | undefined => {
  try {
    decode(Buffer.from(hex, 'hex'))
  } catch (error) {
    if (error instanceof DecodeError) return error.answer
    throw error
  }
  return undefined
}

t.test('each message of os-ken is written back octet for octet', async t => {
  t.equal(vectors.length, 104)
  for (const name of kept)
    t.ok(
      vectors.some(vector => vector.name === name),
      `${name} is there`,
    )
  for (const { name, hex } of vectors) {
    const answer = refused[name]
    if (answer !== undefined) {
      t.equal(refusalOf(hex), answer, `${name} is refused`)
      continue
    }
    const message = decode(Buffer.from(hex, 'hex'))
    t.equal(Buffer.from(encode(message)).toString('hex'), hex, name)
  }
})

t.test('what is read is what os-ken reads', async t => {
  for (const { name, hex, json } of vectors) {
    if (name in refused) continue
    t.same(differences(json, decode(Buffer.from(hex, 'hex'))), [], name)
  }
})

t.test('the comparison sees a wrong value', async t => {
  const flowMod = vectors.find(({ name }) => name === '4-3-ofp_flow_mod')!
  const message = decode(Buffer.from(flowMod.hex, 'hex'))
  t.same(differences(flowMod.json, { ...message, priority: 7 }), [
    '/OFPFlowMod/priority: 123 is 7 with us',
  ])
})

t.test('a recorded session is written back octet for octet', async t => {
  const session = readLines('session.hex')
  t.ok(session.length > 200)
  for (const hex of session) {
    const message = decode(Buffer.from(hex, 'hex'))
    t.equal(Buffer.from(encode(message)).toString('hex'), hex, message.kind)
  }
})

t.test('prints as ovs-ofctl ofp-print does', async t => {
  const prints = readLines('prints.jsonl').map(
    line => JSON.parse(line) as { hex: string; text: string },
  )
  t.ok(prints.length > 450)
  for (const { hex, text } of prints)
    t.equal(formatReceived(decode(Buffer.from(hex, 'hex'))).trimEnd(), text.trimEnd())
})

t.test('a message cut short is refused at each length', async t => {
  for (const { name, hex } of vectors) {
    if (name in refused) continue
    const bytes = Buffer.from(hex, 'hex')
    const step = Math.max(1, Math.floor(bytes.length / 200))
    for (let size = 0; size < bytes.length; size += step) {
      // With the length in the header put right, some beginnings are whole messages too.
      const cut = Buffer.from(bytes.subarray(0, size))
      expectDecodeError(t, cut, `${name} cut at ${size}`, true)
      if (size >= 8) {
        cut.writeUInt16BE(size, 2)
        expectDecodeError(t, cut, `${name} cut at ${size}`, false)
      }
    }
  }
})

t.test('a message with one octet changed is read, or refused with a DecodeError', async t => {
  let count = 0
  for (const hex of [...vectors.map(vector => vector.hex), ...readLines('session.hex')]) {
    const bytes = Buffer.from(hex, 'hex')
    const step = Math.max(1, Math.floor(bytes.length / 100))
    for (let at = 0; at < bytes.length; at += step)
      for (const change of [0x01, 0x80, 0xff]) {
        const changed = Buffer.from(bytes)
        changed[at] = changed[at]! ^ change
        expectDecodeError(t, changed, `octet ${at}`, false)
        count++
      }
  }
  t.ok(count > 10_000, `${count} changes`)
})

/** Reading ends in a value that can be written and printed, or in a DecodeError. */
const expectDecodeError = (t: Test, bytes: Uint8Array, what: string, mustFail: boolean): void => {
  try {
    const message = decode(bytes)
    encode(message)
    formatReceived(message)
    if (mustFail) t.fail(`${what} was read`)
  } catch (error) {
    if (!(error instanceof DecodeError)) {
      t.error(error, what)
      return
    }
    if (error.offset < 0 || error.offset > bytes.length) t.fail(`${what}: offset ${error.offset}`)
  }
}
