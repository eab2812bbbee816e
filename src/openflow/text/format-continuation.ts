/** The state of a paused packet, which Open vSwitch lays out as properties of its own (`NXCPT_*`). */
import { actionList } from '../actions/actions.js'
import { toHex } from '../wire/codecs.js'
import { DecodeError } from '../wire/decode-error.js'
import { Reader } from '../wire/reader.js'
import { formatActions } from './format-actions.js'

// biome-ignore format: a table
const properties = {
  bridge: 0x8000, stack: 0x8001, mirrors: 0x8002, conntracked: 0x8003, tableId: 0x8004,
  cookie: 0x8005, actions: 0x8006, actionSet: 0x8007, odpPort: 0x8008,
} as const

/** One line a property; the octets alone when they are not as we know them. */
export const formatContinuation = (bytes: Uint8Array): string[] => {
  try {
    return readLines(bytes)
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error
    return [`continuation=${(toHex(bytes).match(/../g) ?? []).join('.')}`]
  }
}

const readLines = (bytes: Uint8Array): string[] => {
  const reader = new Reader(bytes)
  reader.skip(4)
  const lines: string[] = []
  let tableId = 0
  let cookie: bigint | undefined
  while (reader.remaining >= 4) {
    const type = reader.u16()
    const size = reader.u16()
    const outer = reader.narrow(size - 4)
    if (type === properties.tableId) tableId = reader.u8()
    else if (type === properties.cookie) {
      reader.skip(4)
      cookie = reader.u64()
    } else lines.push(...[readLine(reader, type, tableId, cookie)].filter(line => line !== ''))
    reader.offset = reader.end
    reader.widen(outer)
    if (size % 8 !== 0) reader.skip(Math.min(8 - (size % 8), reader.remaining))
  }
  return lines
}

/** Words of 32 bits as the switch has them in memory, low octet first. */
const formatUuid = (reader: Reader): string => {
  let digits = ''
  while (reader.remaining >= 4) digits += toHex(Uint8Array.from(reader.take(4)).reverse())
  return digits.replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-')
}

const readLine = (
  reader: Reader,
  type: number,
  tableId: number,
  cookie: bigint | undefined,
): string => {
  switch (type) {
    case properties.bridge:
      return `continuation.bridge=${formatUuid(reader)}`
    case properties.mirrors:
      return `continuation.mirrors=0x${reader.u32().toString(16)}`
    case properties.conntracked:
      return 'continuation.conntracked=true'
    case properties.actions: {
      reader.skip(4)
      const actions = formatActions(actionList.read(reader))
      const back = `unroll_xlate(table=${tableId}, cookie=${cookie ?? 0n}),`
      return `continuation.actions=${back}${actions}`
    }
    case properties.actionSet:
      reader.skip(4)
      return `continuation.action_set=${formatActions(actionList.read(reader))}`
    case properties.odpPort:
      return `continuation.odp_port=${reader.u32()}`
    default:
      // Open vSwitch passes over what it does not know.
      return ''
  }
}
