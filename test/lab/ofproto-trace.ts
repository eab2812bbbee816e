/** Asks real switches what they would do with a packet, by `ovs-appctl ofproto/trace`, in the words of `sluice trace`. */
import { readTrace, type SwitchAnswer } from '../../src/controller/explain/verify.js'
import type { Rig } from '../../src/lab/rig.js'

export interface Question {
  readonly inPort: number
  readonly sourceMac: string
  readonly destinationMac: string
  readonly source: string
  readonly destination: string
  readonly protocol: 'tcp' | 'udp' | 'icmp'
  readonly sourcePort: number
  readonly destinationPort: number
  /** It comes from another switch, which has judged it for who opens the connection. */
  readonly isJudged?: boolean
}

const numbers = { tcp: 6, udp: 17, icmp: 1 } as const

export const askSwitch = async (
  rig: Rig,
  name: string,
  question: Question,
): Promise<SwitchAnswer> => {
  const text = await rig.appctl(
    name,
    'ofproto/trace',
    name,
    flowOf(question),
    ...['--ct-next', 'trk,new', '--ct-next', 'trk,new'],
  )
  return readTrace(text, question.inPort)
}

/** Trace does not fill in the original tuple when it resumes behind conntrack, so it is given from the start. */
const flowOf = (question: Question): string => {
  const { protocol, sourcePort, destinationPort } = question
  const transport = {
    tcp: `tcp_src=${sourcePort},tcp_dst=${destinationPort},tcp_flags=syn`,
    udp: `udp_src=${sourcePort},udp_dst=${destinationPort}`,
    icmp: 'icmp_type=8,icmp_code=0',
  }[protocol]
  const [first, second] = protocol === 'icmp' ? [8, 0] : [sourcePort, destinationPort]
  return [
    `in_port=${question.inPort},${protocol}`,
    `dl_src=${question.sourceMac},dl_dst=${question.destinationMac}`,
    ...(question.isJudged ? ['dl_vlan=0,dl_vlan_pcp=2'] : []),
    `nw_src=${question.source},nw_dst=${question.destination},nw_ttl=64,${transport}`,
    `ct_state=trk|new,ct_nw_src=${question.source},ct_nw_dst=${question.destination}`,
    `ct_nw_proto=${numbers[protocol]},ct_tp_src=${first},ct_tp_dst=${second}`,
  ].join(',')
}
