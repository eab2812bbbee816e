/** Ports, their counters and queues as `ofp-print` writes them. */
import type { ReceivedOf } from '../messages/index.js'
import type { PortDescription } from '../messages/port.js'
import { formatDuration } from './format-flow.js'
import { formatPort } from './format-match.js'

// biome-ignore format: a table
const featureNames = [
  '10MB-HD', '10MB-FD', '100MB-HD', '100MB-FD', '1GB-HD', '1GB-FD', '10GB-FD', '40GB-FD', '100GB-FD',
  '1TB-FD', 'OTHER', 'COPPER', 'FIBER', 'AUTO_NEG', 'AUTO_PAUSE', 'AUTO_PAUSE_ASYM',
]
const configNames: Readonly<Record<number, string>> = {
  0: 'PORT_DOWN',
  2: 'NO_RECV',
  5: 'NO_FWD',
  6: 'NO_PACKET_IN',
}
const stateNames: Readonly<Record<number, string>> = { 0: 'LINK_DOWN', 1: 'BLOCKED', 2: 'LIVE' }

const bits = (value: number, words: Readonly<Record<number, string>>): string[] =>
  Object.entries(words)
    .filter(([bit]) => (value >>> Number(bit)) & 1)
    .map(([, word]) => word)

const formatFeatures = (value: number): string =>
  bits(value, Object.fromEntries(featureNames.entries())).join(' ')
export const formatPortConfig = (value: number): string => bits(value, configNames).join(' ') || '0'

export const formatPortDescription = (port: PortDescription): string => {
  const features = (['current', 'advertised', 'supported', 'peer'] as const)
    .filter(name => formatFeatures(port[name]) !== '')
    .map(name => `     ${`${name}:`.padEnd(11)} ${formatFeatures(port[name])}`)
  return [
    `${formatPort(port.port)}(${printable(port.name)}): addr:${port.hardwareAddress}`,
    `     config:     ${formatPortConfig(port.config)}`,
    `     state:      ${bits(port.state, stateNames).join(' ') || '0'}`,
    ...features,
    `     speed: ${Math.floor(port.currentSpeed / 1000)} Mbps now, ${Math.floor(port.maxSpeed / 1000)} Mbps max`,
  ].join('\n')
}

/** Names end where they cannot be printed. */
const printable = (name: string): string =>
  /^(?:[ -[\]-~]|\\\\)*/.exec(name)![0].replaceAll('\\\\', '\\')

export const formatPortMod = (message: ReceivedOf<'port-mod'>): string =>
  [
    ` port: ${formatPort(message.port)}: addr:${message.hardwareAddress}`,
    `     config: ${formatPortConfig((message.config & message.mask) >>> 0)}`,
    `     mask:   ${formatPortConfig(message.mask)}`,
    `     advertise: ${formatFeatures(message.advertise) || 'UNCHANGED'}`,
  ].join('\n')

export const notCounted = 0xffff_ffff_ffff_ffffn

/** A question mark where the switch does not count. */
export const formatCount = (value: bigint): string => (value === notCounted ? '?' : String(value))

const hasDuration = (seconds: number): boolean => seconds !== 0xffffffff

export const formatPortStats = (
  entry: ReceivedOf<'port-stats-reply'>['entries'][number],
): string => {
  const rx = `rx pkts=${formatCount(entry.rxPackets)}, bytes=${formatCount(entry.rxBytes)}, drop=${formatCount(entry.rxDropped)}, errs=${formatCount(entry.rxErrors)}, frame=${formatCount(entry.rxFrameErrors)}, over=${formatCount(entry.rxOverruns)}, crc=${formatCount(entry.rxCrcErrors)}`
  const tx = `tx pkts=${formatCount(entry.txPackets)}, bytes=${formatCount(entry.txBytes)}, drop=${formatCount(entry.txDropped)}, errs=${formatCount(entry.txErrors)}, coll=${formatCount(entry.collisions)}`
  const lines = [`  port ${formatPort(entry.port).padStart(2)}: ${rx}`, `           ${tx}`]
  if (hasDuration(entry.durationSeconds))
    lines.push(
      `           duration=${formatDuration(entry.durationSeconds, entry.durationNanoseconds)}`,
    )
  return lines.join('\n')
}

export const formatQueueStats = (
  entry: ReceivedOf<'queue-stats-reply'>['entries'][number],
): string => {
  const duration = hasDuration(entry.durationSeconds)
    ? `duration=${formatDuration(entry.durationSeconds, entry.durationNanoseconds)}`
    : 'duration=?'
  return `  port ${formatPort(entry.port)} queue ${formatQueue(entry.queue)}: bytes=${formatCount(entry.txBytes)}, pkts=${formatCount(entry.txPackets)}, errors=${formatCount(entry.txErrors)}, ${duration}`
}

export const formatQueue = (queue: number): string => (queue === 0xffffffff ? 'ALL' : String(queue))

type Queue = ReceivedOf<'queue-get-config-reply'>['queues'][number]

export const formatQueueConfig = (queue: Queue): string => {
  const rates = queue.properties.flatMap(({ type, data }) => {
    const name = { 1: 'min_rate', 2: 'max_rate' }[type]
    const rate = ((data[0] ?? 0) << 8) | (data[1] ?? 0)
    if (name === undefined || rate === 0xffff) return []
    return [` ${name}:${rate > 1000 ? '(disabled)' : `${Math.floor(rate / 10)}.${rate % 10}%`}`]
  })
  return `queue ${queue.queue}:${rates.join('')}`
}
