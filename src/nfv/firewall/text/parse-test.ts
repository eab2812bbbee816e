/** `test "title" 10.1.0.7 -> 10.2.0.10 tcp 443 allow by RULE at TIME`: a question to the rules, and the answer that is meant. */
import { didYouMean } from './complaint.js'
import { takeCodePoint } from './dscp.js'
import type { LineReader } from './line-reader.js'
import { takeMember, takeService, takeTimeZone } from './parse-parts.js'
import type { Moment, Test } from './rule.js'
import { parseMoment } from './times.js'

const testHint = 'write: test "title" 10.1.0.7 -> 10.2.0.10 tcp 443 allow by RULE'

export const takeTest = (reader: LineReader): Test => {
  const title = reader.take('string', 'the title of the test', testHint).text
  const from = takeOne(reader)
  const arrow = reader.word('"->"', testHint)
  if (arrow.text !== '->') reader.fail('"->" is expected here', testHint, arrow)
  const to = takeOne(reader)
  const service = takePacket(reader)
  const dscp = reader.skip('dscp') ? takeCodePoint(reader) : undefined
  const token = reader.word('the verdict', testHint)
  const verdict = (['allow', 'drop', 'reject'] as const).find(word => word === token.text)
  if (verdict === undefined)
    reader.fail(
      `"${token.text}" is no verdict`,
      didYouMean(token.text, ['allow', 'drop', 'reject'], 'a test expects allow, drop or reject'),
      token,
    )
  const by = reader.skip('by') ? reader.word('the name of the rule', testHint).text : undefined
  const at = reader.skip('at') ? takeMoment(reader) : undefined
  return {
    kind: 'test',
    title,
    from,
    to,
    service,
    ...(dscp !== undefined && { dscp }),
    verdict,
    ...(by !== undefined && { by }),
    ...(at && { at }),
  }
}

const momentHint = 'write for example: at 2027-03-01T09:00 Europe/Berlin'

/** After `at`: `2027-03-01T09:00 [TIME-ZONE]`; UTC without one. */
export const takeMoment = (reader: LineReader): Moment => {
  const token = reader.word('the time', momentHint)
  const isUtc = token.text.endsWith('Z')
  const timeZone = isUtc ? 'UTC' : (takeTimeZone(reader) ?? 'UTC')
  const millis = parseMoment(isUtc ? token.text.slice(0, -1) : token.text, timeZone)
  if (millis === undefined)
    reader.fail(`"${token.text}" is no time of ${timeZone}`, momentHint, token)
  return { millis, timeZone }
}

/** One address or host. */
const takeOne = (reader: LineReader) => {
  const token = reader.peek()
  const member = takeMember(reader)
  const isOne =
    member.kind === 'host' ||
    (member.kind === 'cidr' && member.cidr.length === (member.cidr.version === 4 ? 32 : 128))
  if (!isOne) reader.fail('a test speaks of one address', 'write an address or "host NAME"', token)
  return member
}

/** A service that one packet can have. */
export const takePacket = (reader: LineReader) => {
  const token = reader.peek()
  const service = takeService(reader)
  const isOne =
    service.kind === 'icmp' ||
    service.kind === 'protocol' ||
    (service.kind === 'ports' &&
      service.ports.length === 1 &&
      service.exceptPorts === undefined &&
      service.sourcePorts.length <= 1 &&
      [...service.ports, ...service.sourcePorts].every(range => range.from === range.to))
  if (!isOne)
    reader.fail(
      'a test speaks of one packet',
      'write for example tcp 443, udp 53 or icmp echo-request',
      token,
    )
  return service
}
