/** What `sluice trace` says is what the switches would do: row by row, on real Open vSwitch. */
import { pino } from 'pino'
import t from 'tap'
import { realEnv } from '../../src/base/real-env.js'
import type { ControllerProcess } from '../../src/lab/controller-process.js'
import { ensurePackages, isRoot, ovsNeeds } from '../../src/lab/install.js'
import { loadLab, withLab } from '../../src/lab/main.js'
import type { HostSpec } from '../../src/lab/spec.js'
import { NetnsStage } from '../../src/lab/stages/netns.js'
import { tableId } from '../../src/pipeline/tables.js'
import { askSwitch, type Question, readTrace } from './ofproto-trace.js'

const env = realEnv(pino({ level: 'silent' }))
const seed = Number(process.env.SLUICE_SEED ?? 20_261_125)

/** A number below `bound`, the same row for the same seed (xorshift, Marsaglia 2003). */
const dice = (start: number) => {
  let state = start >>> 0 || 1
  return (bound: number): number => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) % bound
  }
}
type Dice = ReturnType<typeof dice>

const pick = <T>(roll: Dice, items: readonly T[]): T => items[roll(items.length)]!

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
  for (const hop of explanation.hops) {
    const seen = await askSwitch(stage.rig, hop.name, { ...question, inPort: hop.inPort })
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

t.test(
  'sluice trace equals ofproto/trace for 500 random flows',
  { skip: isRoot() ? false : 'it needs root for network namespaces', timeout: 240_000 },
  async t => {
    await ensurePackages(ovsNeeds, text => t.comment(text))
    const roll = dice(seed)
    t.comment(`SLUICE_SEED=${seed}`)
    const lab = loadLab('office')
    const silent = { say: () => undefined, assertion: () => undefined }
    const verdicts: Record<string, number> = {}
    let asked = 0
    let hops = 0
    const never = new AbortController().signal
    await withLab(env, lab, 'netns', silent, never, async ({ run, controller, stage }) => {
      if (!(stage instanceof NetnsStage)) throw new Error('another stage than was asked for')
      await run.up()
      const ask = async (count: number) => {
        for (const question of questions(roll, lab.spec.hosts, count)) {
          const { complaints, explanation, hopCount } = await compare(stage, controller, question)
          if (complaints.length > 0) t.same(complaints, [], JSON.stringify(question))
          verdicts[explanation.verdict] = (verdicts[explanation.verdict] ?? 0) + 1
          asked++
          hops += hopCount
        }
      }
      await ask(100)
      for (let round = 0; round < 4; round++) {
        await controller.send('PUT', '/api/v1/policies/office?wait=installed', {
          source: randomRules(roll),
        })
        await ask(100)
      }
    })
    t.equal(asked, 500)
    t.comment(`${asked} flows over ${hops} switches: ${JSON.stringify(verdicts)}`)
    for (const verdict of ['delivered', 'dropped', 'rejected'])
      t.ok((verdicts[verdict] ?? 0) > 25, `many were ${verdict}`)
  },
)

t.test('a switch that did something else would be noticed', async t => {
  const answer = readTrace(
    ' 0. in_port=2, priority 100, cookie 0x1\n    goto_table:40\n40. priority 0, cookie 0x2\n    output:7\n',
  )
  t.same(answer, { rows: ['0 100', '40 0'], outputs: [7], hasChoice: false, controller: [] })
})
