/**
 * A policy changes at two edges one after the other, each in one bundle. Stopped at each step: nothing passes that both
 * policies deny, and all passes that both allow, new connections and running ones, in both directions.
 */
import t from 'tap'
import type { Ip } from '../../../src/base/addresses.js'
import { createCompiler } from '../../../src/nfv/firewall/flows/compile.js'
import { Concern, OwnAddresses } from '../../../src/nfv/firewall/flows/switch-rows.js'
import { decide } from '../../../src/nfv/firewall/meaning/decide.js'
import type { Resolved } from '../../../src/nfv/firewall/meaning/resolved.js'
import type { Connection } from '../../../src/pipeline/connection.js'
import type { Fields } from '../../../src/pipeline/packet.js'
import type { Section } from '../../../src/pipeline/program.js'
import { fieldsOf, laterFieldsOf, OneSwitch, outPort, turned } from './one-switch.js'
import { randomConnection, randomPolicy, rulesOf, seeded } from './random-policy.js'

const [fromHost, fromFabric] = [0x0001, 0x10001]
/** What crosses between switches of the first register. */
const judgement = 0x18_0000

/** The opener is at `a`, the other at `b`. */
class TwoEdges {
  readonly a = new OneSwitch(false)
  readonly b = new OneSwitch(false)

  /** Whether the packet that opens the connection arrives. */
  opens(connection: Connection): boolean {
    return this.#crosses(this.a, this.b, fieldsOf(connection))
  }

  /** Whether something that is said later arrives. */
  goesOn(connection: Connection): boolean {
    return this.#crosses(this.a, this.b, laterFieldsOf(connection))
  }

  answers(connection: Connection): boolean {
    return this.#crosses(this.b, this.a, laterFieldsOf(turned(connection)))
  }

  #crosses(first: OneSwitch, second: OneSwitch, fields: Fields): boolean {
    const passes = (edge: OneSwitch, reg0: number) =>
      edge.send(fields, { reg0 }).outputs.find(({ port }) => port === outPort)?.fields.reg0
    const sent = passes(first, fromHost)
    if (sent === undefined) return false
    return passes(second, fromFabric | (Number(sent) & judgement)) !== undefined
  }
}

type Step = readonly [name: string, a: readonly Section[], b: readonly Section[]]

/** Both orders, as bundles arrive. */
const steps = (before: readonly Section[], after: readonly Section[]): readonly Step[] => [
  ['neither', before, before],
  ['the first', after, before],
  ['the second', before, after],
  ['both', after, after],
]

/** What a switch with this host alone has of the rules. */
const concerning = (host: Ip, sections: readonly Section[]): readonly Section[] =>
  new Concern().sections(sections, new OwnAddresses([host]))

const isAllowed = (rules: Resolved, connection: Connection): boolean =>
  decide(rules, connection).verdict === 'allow'

/** What was wrong, with the step it was stopped at. */
const wrongs = (
  seed: number,
  rounds: number,
  stepsOf: (before: readonly Section[], after: readonly Section[]) => readonly Step[],
) => {
  const dice = seeded(seed)
  const said: string[] = []
  const counts = { kept: 0, denied: 0 }
  for (let round = 0; round < rounds; round++) {
    const [before, after] = [rulesOf(randomPolicy(dice)), rulesOf(randomPolicy(dice))]
    const [old, next] = [createCompiler().compile(before, 1), createCompiler().compile(after, 2)]
    for (let count = 0; count < 6; count++) {
      const connection = randomConnection(dice)
      const decisions = [before, after].map(rules => decide(rules, connection))
      const hasAnswers = connection.protocol === 6 || connection.protocol === 17
      if (!hasAnswers || decisions.some(each => each.isStateless)) continue
      const both = [before, after].map(rules => isAllowed(rules, connection))
      for (const [step, a, b] of stepsOf(old, next)) {
        const edges = new TwoEdges()
        const load = (first: readonly Section[], second: readonly Section[], at = edges) => {
          at.a.load(concerning(connection.source, first))
          at.b.load(concerning(connection.destination, second))
        }
        load(old, old)
        const ran = edges.opens(connection) && edges.answers(connection)
        load(a, b)
        const running = ran && edges.answers(connection) && edges.goesOn(connection)
        const fresh = new TwoEdges()
        load(a, b, fresh)
        const opens = fresh.opens(connection) && fresh.answers(connection)
        const what = JSON.stringify({ step, round, connection })
        if (both.every(Boolean)) {
          counts.kept++
          if (!running) said.push(`a running one stopped: ${what}`)
          if (!opens) said.push(`a new one was denied: ${what}`)
        } else if (!both.some(Boolean)) {
          counts.denied++
          if (running || opens) said.push(`passed although both deny it: ${what}`)
        }
      }
    }
  }
  return { said, counts }
}

t.test('stopped at each step, nothing is outside of both policies', async t => {
  const { said, counts } = wrongs(20_261_125, 150, steps)
  t.same(said.slice(0, 3), [])
  t.comment(counts)
  t.ok(counts.kept > 100 && counts.denied > 500, 'both kinds were met')
})

/** Rules taken away before the new ones are there, as without a bundle. */
const withoutBundle = (before: readonly Section[], after: readonly Section[]): readonly Step[] => {
  const empty = after.map(section =>
    /^firewall\/rules/.test(section.name) ? { ...section, flows: [] } : section,
  )
  return [['half', empty, before]]
}

t.test('a change in two pieces would be noticed', async t => {
  const { said } = wrongs(20_261_125, 60, withoutBundle)
  t.match(said.join('\n'), /a new one was denied/)
})
