/**
 * The firewall's figures: reading, resolving, compiling from nothing; an edit of one rule; flows for each rule.
 *
 *     node dist/bench/firewall.js [COUNT...]      default 1000 10000 50000
 */
import { Compiler } from '../src/nfv/firewall/flows/compile.js'
import { lint } from '../src/nfv/firewall/lint/index.js'
import { noFacts } from '../src/nfv/firewall/meaning/environment.js'
import { Resolver } from '../src/nfv/firewall/meaning/resolve.js'
import { loadText } from '../src/nfv/firewall/text/load.js'
import { Parser } from '../src/nfv/firewall/text/parse.js'
import type { Flow, Section } from '../src/pipeline/program.js'
import { type Flavour, flavours, generateRules } from './rules.js'

const millis = (): number => performance.now()
const median = (list: readonly number[]): number =>
  [...list].sort((a, b) => a - b)[list.length >> 1]!

interface Figures {
  readonly set: string
  readonly parse: number
  readonly resolve: number
  readonly compile: number
  readonly flowsPerRule: number
  readonly lint: number
  /** Median of 20: the whole way from the new text to the new sections. */
  readonly edit: number
  readonly editCompileOnly: number
  /** Rows that one replaced rule, and one inserted rule, change. */
  readonly changedByEdit: number
  readonly changedByInsert: number
  readonly memoryMib: number
}

const measure = (flavour: Flavour, count: number): Figures => {
  const text = generateRules(flavour, count, 7)
  globalThis.gc?.()
  const memoryBefore = process.memoryUsage().heapUsed
  const [parser, resolver, compiler] = [new Parser(), new Resolver(), new Compiler()]
  const run = (source: string, generation: number) => {
    const t0 = millis()
    const loaded = loadText(parser, 'bench.rules', source)
    const t1 = millis()
    const policies = [{ name: 'bench', order: 0, loaded }]
    const resolved = resolver.resolve(policies, noFacts(0))
    const t2 = millis()
    const sections = compiler.compile(resolved, generation)
    const t3 = millis()
    return { policies, resolved, sections, times: [t1 - t0, t2 - t1, t3 - t2] as const }
  }
  const first = run(text, 1)
  globalThis.gc?.()
  const memoryMib = (process.memoryUsage().heapUsed - memoryBefore) / 2 ** 20
  const lintStart = millis()
  lint(first.policies, first.resolved, noFacts(0))
  const lintTime = millis() - lintStart

  const lines = text.split('\n')
  const edits: number[] = []
  const compiles: number[] = []
  const changedByEdit: number[] = []
  const changedByInsert: number[] = []
  let before = first.sections
  for (let round = 0; round < 41; round++) {
    const at = 1 + ((round * 7919) % count)
    const isInsert = round % 2 === 1
    const rule = `edited${round}: allow tcp 4${String(round).padStart(2, '0')} from 10.77.${round}.0/24 to 10.78.0.1`
    lines.splice(at, isInsert ? 0 : 1, rule)
    const start = millis()
    const { sections, times } = run(lines.join('\n'), 2 + round)
    edits.push(millis() - start)
    compiles.push(times[2])
    ;(isInsert ? changedByInsert : changedByEdit).push(changed(before, sections))
    before = sections
  }
  const flows = first.sections.reduce((sum, section) => sum + section.flows.length, 0)
  const [parse, resolve, compile] = first.times
  return {
    set: `${flavour} ${count}`,
    parse,
    resolve,
    compile,
    flowsPerRule: flows / count,
    lint: lintTime,
    edit: median(edits),
    editCompileOnly: median(compiles),
    changedByEdit: mean(changedByEdit),
    changedByInsert: mean(changedByInsert),
    memoryMib,
  }
}

const mean = (list: readonly number[]) => list.reduce((sum, value) => sum + value, 0) / list.length

/** Rows of the rules that are not the same objects. */
const changed = (before: readonly Section[], after: readonly Section[]): number => {
  const rulesOf = (sections: readonly Section[]) =>
    sections.filter(({ name }) => name.startsWith('firewall/rules')).flatMap(({ flows }) => flows)
  const old = new Set<Flow>(rulesOf(before))
  return rulesOf(after).filter(flow => !old.has(flow)).length
}

/** `npm run bench -- firewall [RULES...]` */
export const run = async (words: readonly string[]): Promise<void> => {
  const counts = words.length > 0 ? words.map(Number) : [1_000, 10_000, 50_000]
  const rows = counts.flatMap(count => flavours.map(flavour => measure(flavour, count)))
  console.table(
    Object.fromEntries(
      rows.map(({ set, ...figures }) => [
        set,
        Object.fromEntries(
          Object.entries(figures).map(([name, value]) => [name, Number(value.toFixed(2))]),
        ),
      ]),
    ),
  )
}
