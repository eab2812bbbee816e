/** `sluice trace`: what would happen to a connection or a frame, in the network or by rule files alone. */
import { type Command, Option } from 'commander'
import type { Cli, RulesTrace } from '../cli.js'
import type { Client } from '../client.js'
import { readRuleFiles } from '../writing/rule-files.js'

export interface TraceAnswer extends RulesTrace {
  readonly because: string
  readonly notes: readonly string[]
  readonly hops: readonly {
    readonly dpid: string
    readonly name: string
    readonly inPort: number
    readonly outPorts: readonly number[]
    readonly steps: readonly {
      readonly table: string
      readonly priority?: number
      readonly because: string
      readonly stray?: 'foreign' | 'drift'
    }[]
  }[]
  readonly deliveredTo: readonly {
    readonly switch: string
    readonly port: number
    readonly host?: string
  }[]
  readonly verified?: {
    readonly asked: readonly string[]
    readonly unasked: readonly { readonly switch: string; readonly reason: string }[]
    readonly mismatches: readonly {
      readonly switch: string
      readonly sluice: readonly string[]
      readonly openvswitch: readonly string[]
      readonly sluicePorts: readonly number[]
      readonly openvswitchPorts: readonly number[]
    }[]
  }
}

interface TraceOptions {
  readonly sourcePort?: string
  readonly output: string
  readonly policy?: readonly string[]
  readonly address?: readonly string[]
  readonly frame?: string
  readonly in?: string
  readonly via?: string
  readonly verify?: true
}

export const addTrace = (
  program: Command,
  cli: Cli,
  client: () => Promise<Client>,
  exit: (code: number) => void,
): void => {
  program
    .command('trace')
    .description(
      'what would happen to a connection or a frame, and which rule decides; exit code 1 when it does not arrive',
    )
    .argument('[from]', 'an address, MAC or name')
    .argument('[to]', 'an address, MAC or name')
    .argument('[packet...]', 'as in rule files: tcp 443, udp 53, icmp echo-request, proto gre')
    .option('--source-port <port>', 'source port')
    .option('--via <host>', 'to whom the sender hands it, a host or MAC: the router on its way')
    .option('--frame <hex>', 'instead of from and to: an Ethernet frame in hex digits')
    .option('--in <switch:port>', 'where the frame comes in; else where its sender is')
    .option('--verify', 'ask ofproto/trace of the switches on this machine as well, and compare')
    .option('--policy <path...>', 'ask these rule files or folders; needs no controller')
    .option('--address <name=ip...>', 'addresses of hosts, for --policy')
    .addOption(
      new Option('-o, --output <form>', 'how to print')
        .choices(['table', 'wide', 'json'])
        .default('table'),
    )
    .action(async (from, to, packet: readonly string[], options: TraceOptions) => {
      const question = traceQuestion(from, to, packet, options)
      const answer = options.policy
        ? await traceFiles(cli, question, options)
        : await (await client()).send<TraceAnswer>('POST', '/api/v1/trace', question)
      cli.print(
        options.output === 'json'
          ? JSON.stringify(answer, null, 2)
          : formatTrace(answer, options.output === 'wide'),
      )
      exit(arrives(answer) ? 0 : 1)
    })
}

/** Delivered, or allowed where rule files alone are asked; and the switches themselves say no other. */
const arrives = (answer: RulesTrace | TraceAnswer): boolean =>
  'hops' in answer
    ? answer.verdict === 'delivered' && (answer.verified?.mismatches ?? []).length === 0
    : answer.verdict === 'allowed'

const traceQuestion = (
  from: string | undefined,
  to: string | undefined,
  packet: readonly string[],
  options: TraceOptions,
): Record<string, unknown> => {
  const verify = options.verify && { verify: true }
  if (options.frame !== undefined)
    return { frame: options.frame, ...(options.in !== undefined && { at: options.in }), ...verify }
  if (from === undefined || to === undefined)
    throw new Error('say from where and to where, or give a frame: sluice trace FROM TO tcp 443')
  return {
    from,
    to,
    service: packet.length === 0 ? 'icmp' : packet.join(' '),
    ...(options.sourcePort !== undefined && { sourcePort: portOf(options.sourcePort) }),
    ...(options.via !== undefined && { via: options.via }),
    ...verify,
  }
}

const portOf = (text: string): number => {
  if (!/^\d+$/.test(text) || Number(text) > 65535)
    throw new Error(`"${text}" is no port: ports go from 0 to 65535`)
  return Number(text)
}

const traceFiles = async (
  cli: Cli,
  question: Readonly<Record<string, unknown>>,
  options: TraceOptions,
): Promise<RulesTrace> => {
  const paths = options.policy ?? []
  const files = (await Promise.all(paths.map(path => readRuleFiles(cli.disk, path)))).flat()
  return cli.traceRules(files, question, options.address ?? [])
}

const placeOf = ({ file, line }: { file?: string; line?: number }): string =>
  file === undefined || file === 'built-in' ? '' : ` (${file}:${line})`

const headLines = ({ question, verdict, rule, within }: RulesTrace): string[] => [
  `asked    ${question}`,
  `verdict  ${verdict}${within === undefined ? '' : `, within ${within}`}`,
  ...(rule ? [`rule     ${rule.name}${placeOf(rule)}`] : []),
]

/** Tier by tier who spoke; the default speaks where all were silent. */
const rulesLines = ({ tiers = [], audits = [], unknown = [] }: RulesTrace): string[] => [
  ...tiers.map(step => {
    const said = step.rule === undefined ? 'no rule speaks' : `${step.verb} by ${step.rule}`
    return `tier     ${step.tier.padEnd(12)} ${said}${placeOf(step)}`
  }),
  ...audits.map(
    step =>
      `audit    ${step.tier.padEnd(12)} ${step.rule}${placeOf(step)} ${step.verb === 'pass' ? 'only counts' : `would ${step.verb}`}`,
  ),
  ...(unknown.length > 0
    ? [`unknown  ${unknown.join(', ')}: no address here, so no rule matches by it`]
    : []),
]

const networkLines = ({ because, deliveredTo, notes }: TraceAnswer): string[] => [
  `because  ${because}`,
  ...(deliveredTo.length > 0
    ? [
        `to       ${deliveredTo.map(at => `${at.switch}:${at.port}${at.host === undefined ? '' : ` (${at.host})`}`).join(', ')}`,
      ]
    : []),
  ...notes.map(note => `note     ${note}`),
]

const verifiedLines = ({ verified }: TraceAnswer): string[] => [
  ...(verified?.mismatches ?? []).flatMap(each => [
    `MISMATCH ${each.switch} itself says something else`,
    `         sluice       ${each.sluice.join(' > ')}  out ${each.sluicePorts.join(', ') || '-'}`,
    `         ofproto/trace ${each.openvswitch.join(' > ')}  out ${each.openvswitchPorts.join(', ') || '-'}`,
  ]),
  ...(verified && verified.asked.length > 0 && verified.mismatches.length === 0
    ? [`verified ${verified.asked.join(', ')}: ofproto/trace says the same`]
    : []),
  ...(verified?.unasked ?? []).map(each => `verified not at ${each.switch}: ${each.reason}`),
]

/** Wide shows every table that the packet came by; otherwise those that did something for this packet. */
export const formatTrace = (answer: RulesTrace | TraceAnswer, isWide: boolean): string => {
  const lines = headLines(answer)
  if ('hops' in answer) lines.push(...networkLines(answer))
  lines.push(...rulesLines(answer))
  if (!('hops' in answer)) return lines.join('\n')
  lines.push(...verifiedLines(answer))
  for (const hop of answer.hops) {
    const out = hop.outPorts.length > 0 ? `out ${hop.outPorts.join(', ')}` : 'nothing goes out'
    lines.push('', `${hop.name} (${hop.dpid})  in ${hop.inPort}  ${out}`)
    for (const { table, priority, because, stray } of hop.steps) {
      const whose = stray === undefined ? '' : stray === 'foreign' ? 'not ours: ' : 'not wanted: '
      if (isWide || because !== '')
        lines.push(`  ${table.padEnd(9)} ${String(priority ?? '').padStart(5)}  ${whose}${because}`)
    }
  }
  return lines.join('\n')
}
