/** What the server says, as a frame: RFC 2131 section 4.1 says to whom, section 4.3.1 with which options. */
import { macNumber } from '../../base/addresses.js'
import { buildFrame } from '../../pipeline/build.js'
import { etherTypes, ipProtocols } from '../../pipeline/packet.js'
import { dhcpTypes, dhcpOption as option, writeDhcp } from '../../topology/dhcp-message.js'
import { addressesOption, numberOption, type OptionValue } from './options.js'
import type { Answer, Question } from './question.js'

const everybody = { ip: 0xffffffff, mac: 0xffffffffffff }
const ports = { server: 67, client: 68 } as const
/** What every client takes (RFC 2131 section 2), and what fits into a frame; less the headers. */
const sizes = { least: 576, most: 1_500, headers: 28 } as const

export const replyFrame = (question: Question, answer: Answer): Uint8Array => {
  const { message, served } = question
  const isNak = answer.kind === 'nak'
  const to = receiverOf(question, answer)
  const wantedSize = message.options.get(option.maxSize)
  const size = wantedSize?.length === 2 ? Buffer.from(wantedSize).readUInt16BE(0) : sizes.least
  const body = writeDhcp(
    2,
    {
      ...message,
      secs: 0,
      // A relay agent must tell everybody that somebody may not go on (RFC 2131 section 4.3.2).
      isBroadcast: message.isBroadcast || (isNak && message.relay !== 0),
      client: answer.kind === 'ack' ? message.client : 0,
      yours: answer.ip,
      server: 0,
    },
    optionsOf(question, answer),
    Math.min(sizes.most, Math.max(sizes.least, size)) - sizes.headers,
  )
  return buildFrame(
    {
      eth_src: macNumber(served.server.mac),
      eth_dst: to.mac,
      eth_type: etherTypes.ipv4,
      ip_proto: ipProtocols.udp,
      ip_src: served.server.ip,
      ip_dst: to.ip,
      udp_src: ports.server,
      udp_dst: message.relay === 0 ? ports.client : ports.server,
      nw_ttl: 64,
    },
    body,
  )
}

const receiverOf = ({ message, sender }: Question, { kind, ip }: Answer) => {
  if (message.relay !== 0) return { ip: message.relay, mac: sender }
  if (kind === 'nak') return everybody
  if (message.client !== 0) return { ip: message.client, mac: sender }
  if (message.isBroadcast || ip === 0) return everybody
  return { ip, mac: Buffer.from(message.hardware).readUIntBE(0, 6) }
}

/** Those that the client asks for; the mask in any case. Of the relay agent's and the client's own it hears again. */
const optionsOf = (
  { message, served }: Question,
  { kind, seconds, reason, options }: Answer,
): OptionValue[] => {
  const echoed = [option.clientId, option.relay].flatMap((code): OptionValue[] => {
    const value = message.options.get(code)
    return value === undefined ? [] : [[code, value]]
  })
  const head: OptionValue[] = [
    [option.type, numberOption(dhcpTypes[kind], 1)],
    [option.serverId, addressesOption([served.server.ip])],
  ]
  if (kind === 'nak')
    return [...head, ...echoed, [option.message, new TextEncoder().encode(reason ?? '')]]
  const wanted = message.options.get(option.wanted)
  const times: OptionValue[] =
    seconds === 0
      ? []
      : [
          [option.leaseTime, numberOption(seconds, 4)],
          [option.renewal, numberOption(Math.floor(seconds / 2), 4)],
          [option.rebinding, numberOption(Math.floor((seconds * 7) / 8), 4)],
        ]
  const told = options.filter(
    ([code]) => code === option.subnetMask || wanted === undefined || wanted.includes(code),
  )
  return [...head, ...times, ...echoed, ...told]
}
