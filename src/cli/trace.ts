/** `sluice trace`: what would happen to a connection or a frame, in the network or by rule files alone. */
import { type Command, Option } from 'commander'
import type { Cli, RulesTrace } from './cli.js'
import type { Client } from './client.js'
import { readRuleFiles } from './rule-files.js'

export interface TraceAnswer extends RulesTrace {
  readonly because: string
  readonly hops: readonly {
    readonly dpid: string
    readonly name: string
    readonly inPort: number
    readonly outPorts: readonly number[]
    readonly steps: readonly {
      readonly table: string
      readonly priority?: number
      readonly because: string
    }[]
  }[]
}

interface TraceOptions {
  readonly sourcePort?: string
  readonly output: string
  readonly policy?: readonly string[]
  readonly address?: readonly string[]
  readonly frame?: string
  readonly in?: string
}

export const addTrace = (program: Command, cli: Cli, client: () => Promise<Client>): void => {
  program
    .command('trace')
    .description('what would happen to a connection or a frame, and which rule decides')
    .argument('[from]', 'an address, MAC or name')
    .argument('[to]', 'an address, MAC or name')
    .argument('[protocol]', 'tcp, udp, icmp, sctp or a number', 'icmp')
    .argument('[port]', 'destination port')
    .option('--source-port <port>', 'source port')
    .option('--frame <hex>', 'instead of from and to: an Ethernet frame in hex digits')
    .option('--in <switch:port>', 'where the frame comes in; else where its sender is')
    .option('--policy <path...>', 'ask these rule files or folders; needs no controller')
    .option('--address <name=ip...>', 'addresses of hosts, for --policy')
    .addOption(
      new Option('-o, --output <form>', 'how to print')
        .choices(['table', 'wide', 'json'])
        .default('table'),
    )
    .action(async (from, to, protocol, port, options: TraceOptions) => {
      const question = traceQuestion(from, to, protocol, port, options)
      if (options.policy) return cli.print(await traceFiles(cli, question, options))
      const answer = await (await client()).send<TraceAnswer>('POST', '/api/v1/trace', question)
      cli.print(
        options.output === 'json'
          ? JSON.stringify(answer, null, 2)
          : formatTrace(answer, options.output === 'wide'),
      )
    })
}

const traceQuestion = (
  from: string | undefined,
  to: string | undefined,
  protocol: string,
  port: string | undefined,
  options: TraceOptions,
): Record<string, unknown> => {
  if (options.frame !== undefined)
    return { frame: options.frame, ...(options.in !== undefined && { at: options.in }) }
  if (from === undefined || to === undefined)
    throw new Error('say from where and to where, or give a frame: sluice trace FROM TO tcp 443')
  return {
    from,
    to,
    protocol: /^\d+$/.test(protocol) ? Number(protocol) : protocol,
    ...(port !== undefined && { destinationPort: Number(port) }),
    ...(options.sourcePort !== undefined && { sourcePort: Number(options.sourcePort) }),
  }
}

const traceFiles = async (
  cli: Cli,
  question: Readonly<Record<string, unknown>>,
  options: TraceOptions,
): Promise<string> => {
  const paths = options.policy ?? []
  const files = (await Promise.all(paths.map(path => readRuleFiles(cli.disk, path)))).flat()
  const answer = await cli.traceRules(files, question, options.address ?? [])
  return options.output === 'json'
    ? JSON.stringify(answer, null, 2)
    : [...headLines(answer), ...rulesLines(answer)].join('\n')
}

const placeOf = ({ file, line }: { file?: string; line?: number }): string =>
  file === undefined || file === 'built-in' ? '' : ` (${file}:${line})`

const headLines = ({ verdict, rule, within }: RulesTrace): string[] => [
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

/** Wide shows every table that the packet came by; otherwise those that did something for this packet. */
export const formatTrace = (answer: TraceAnswer, isWide: boolean): string => {
  const lines = [...headLines(answer), `because  ${answer.because}`, ...rulesLines(answer)]
  for (const hop of answer.hops) {
    const out = hop.outPorts.length > 0 ? `out ${hop.outPorts.join(', ')}` : 'nothing goes out'
    lines.push('', `${hop.name} (${hop.dpid})  in ${hop.inPort}  ${out}`)
    for (const step of hop.steps)
      if (isWide || step.because !== '')
        lines.push(
          `  ${step.table.padEnd(9)} ${String(step.priority ?? '').padStart(5)}  ${step.because}`,
        )
  }
  return lines.join('\n')
}
