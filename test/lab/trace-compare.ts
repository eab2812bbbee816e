/** Random flows under random rules: what `sluice trace` says beside what real switches say, row by row. */

import type { Env } from '../../src/base/env/env.js'
import type { ControllerProcess } from '../../src/lab/controller-process.js'
import type { HostSpec } from '../../src/lab/lab-spec.js'
import { loadLab, withLab } from '../../src/lab/main.js'
import { NetnsStage } from '../../src/lab/stages/netns.js'
import { tableId } from '../../src/pipeline/tables.js'
import { type Dice, dice, pick } from './against-linux/rules.js'
import { askSwitch, type Question } from './ofproto-trace.js'

/** Rules of every verb, with prefixes, lists and ranges. */
const randomRules = (roll: Dice): string => {
  const places = [
    'any',
    '10.1.0.0/16',
    '10.1.0.1',
    '10.1.0.2-10.1.0.3',
    '10.2.0.0/24',
    '203.0.113.0/24',
    '10.0.0.0/8 except 10.1.0.2',
  ]
  const services = [
    'any',
    'tcp 80',
    'tcp 1-1023',
    'tcp 22, tcp 8000-8999',
    'udp 53',
    'udp 1024-65535',
    'icmp',
    'tcp 443, udp 443',
  ]
  const rules = Array.from({ length: 40 }, (_, index) => {
    const verb = pick(roll, ['allow', 'allow', 'drop', 'reject'])
    return `r${index}: ${verb} ${pick(roll, services)} from ${pick(roll, places)} to ${pick(roll, places)}`
  })
  return `default ${pick(roll, ['drop', 'allow'])}\n${rules.join('\n')}\n`
}

interface Explanation {
  readonly verdict: 'delivered' | 'dropped' | 'rejected' | 'lost'
  readonly hops: readonly {
    readonly name: string
    readonly inPort: number
    readonly outPorts: readonly number[]
    readonly steps: readonly { readonly table: string; readonly priority?: number }[]
  }[]
}

const questions = (roll: Dice, hosts: readonly HostSpec[], count: number): Question[] =>
  Array.from({ length: count }, () => {
    const from = pick(roll, hosts)
    const to = pick(
      roll,
      hosts.filter(each => each !== from),
    )
    return {
      inPort: from.at.port,
      sourceMac: from.mac,
      destinationMac: to.mac,
      source: from.ips[0]!.split('/')[0]!,
      destination: to.ips[0]!.split('/')[0]!,
      protocol: pick(roll, ['tcp', 'tcp', 'udp', 'icmp'] as const),
      sourcePort: 1024 + roll(60_000),
      destinationPort: pick(roll, [22, 25, 53, 80, 443, 1023, 1024, 8000, 8999, roll(65_536)]),
    }
  })

/** One complaint for each switch on the way that would do something else. */
const compare = async (
  stage: NetnsStage,
  controller: ControllerProcess,
  question: Question,
): Promise<{ complaints: string[]; explanation: Explanation; hopCount: number }> => {
  const explanation = await controller.send<Explanation>('POST', '/api/v1/trace', {
    from: question.source,
    to: question.destination,
    protocol: question.protocol,
    ...(question.protocol !== 'icmp' && {
      sourcePort: question.sourcePort,
      destinationPort: question.destinationPort,
    }),
  })
  const complaints: string[] = []
  for (const [index, hop] of explanation.hops.entries()) {
    const here = { ...question, inPort: hop.inPort, isJudged: index > 0 }
    const seen = await askSwitch(stage.rig, hop.name, here)
    const ours = hop.steps.map(
      step => `${tableId[step.table as keyof typeof tableId]} ${step.priority}`,
    )
    if (ours.join() !== seen.rows.join())
      complaints.push(`${hop.name}: sluice ${ours.join(' > ')} ovs ${seen.rows.join(' > ')}`)
    if (!seen.hasChoice && hop.outPorts.join() !== seen.outputs.join())
      complaints.push(
        `${hop.name}: sluice out ${hop.outPorts.join()} ovs out ${seen.outputs.join()}`,
      )
  }
  return { complaints, explanation, hopCount: explanation.hops.length }
}

export interface Comparison {
  readonly asked: number
  readonly hops: number
  readonly verdicts: Readonly<Record<string, number>>
  /** What some switch would do differently, with the question. */
  readonly complaints: readonly string[]
}

/** The lab's own rules first, then `rounds` random ones, with `count` flows each. */
export const compareTraces = async (
  env: Env,
  seed: number,
  rounds: number,
  count: number,
): Promise<Comparison> => {
  const roll = dice(seed)
  const lab = loadLab('office')
  const silent = { say: () => undefined, assertion: () => undefined }
  const verdicts: Record<string, number> = {}
  const found: string[] = []
  let asked = 0
  let hops = 0
  const never = new AbortController().signal
  await withLab(env, lab, 'netns', silent, never, async ({ run, controller, stage }) => {
    if (!(stage instanceof NetnsStage)) throw new Error('another stage than was asked for')
    await run.up()
    for (let round = 0; round <= rounds; round++) {
      if (round > 0)
        await controller.send('PUT', '/api/v1/policies/office?wait=installed', {
          source: randomRules(roll),
        })
      for (const question of questions(roll, lab.spec.hosts, count)) {
        const { complaints, explanation, hopCount } = await compare(stage, controller, question)
        found.push(...complaints.map(each => `${each} ${JSON.stringify(question)}`))
        verdicts[explanation.verdict] = (verdicts[explanation.verdict] ?? 0) + 1
        asked++
        hops += hopCount
      }
    }
  })
  return { asked, hops, verdicts, complaints: found }
}
