/** `sluice trace`: the question as REST takes it, the answer as people read it. */

export interface TraceAnswer {
  readonly verdict: string
  readonly because: string
  readonly rule?: { readonly name: string; readonly file?: string; readonly line?: number }
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

export const traceQuestion = (
  from: string,
  to: string,
  protocol: string,
  port: string | undefined,
  sourcePort: string | undefined,
): Record<string, unknown> => ({
  from,
  to,
  protocol: /^\d+$/.test(protocol) ? Number(protocol) : protocol,
  ...(port !== undefined && { destinationPort: Number(port) }),
  ...(sourcePort !== undefined && { sourcePort: Number(sourcePort) }),
})

/** Wide shows every table that the packet came by; otherwise those that did something for this packet. */
export const formatTrace = (answer: TraceAnswer, isWide: boolean): string => {
  const lines = [`verdict  ${answer.verdict}`]
  if (answer.rule)
    lines.push(
      `rule     ${answer.rule.name}${answer.rule.file === undefined ? '' : ` (${answer.rule.file}:${answer.rule.line})`}`,
    )
  lines.push(`because  ${answer.because}`)
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
