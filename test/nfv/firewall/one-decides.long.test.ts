/**
 * For every connection, at every moment, there is exactly one switch that decides, or the next packet is judged where
 * it is: all orders of events up to a depth, and long random ones, over the rows that switches really get.
 */
import t from 'tap'
import type { Section } from '../../../src/pipeline/program.js'
import { readLabel, registers } from '../../../src/pipeline/registers.js'
import { type End, Model, type Outcome, type State, type World } from './moving-hosts.js'
import { pick, seeded } from './random-policy.js'

type Event = readonly [name: string, (model: Model, state: State) => Outcome | State | undefined]

const isOutcome = (made: Outcome | State): made is Outcome => 'isDelivered' in made

const ends: readonly End[] = ['a', 'b']

/** @param isSlow switches get what is new one by one, after the controller has seen it, while frames fly */
const eventsOf = ({ switches, protocol }: World, isSlow: boolean): readonly Event[] => {
  const all = Array.from({ length: switches }, (_, at) => at + 1)
  const now = (model: Model, state: State) => (isSlow ? state : model.installAll(state))
  return [
    ...ends.map((end): Event => [`${end} sends`, (model, state) => model.send(state, end)]),
    ...(protocol === 6
      ? [
          ['a opens anew', (model, state) => model.reopen(state, 'a')] satisfies Event,
          ['b takes it for new', (model, state) => model.reopen(state, 'b')] satisfies Event,
        ]
      : []),
    ...ends.flatMap(end =>
      all.map(
        (to): Event => [
          `${end} moves to ${to}`,
          (model, state) => {
            if (state.at[end] === to) return undefined
            const moved = model.move(state, end, to)
            return isSlow ? moved : now(model, model.learn(moved, end))
          },
        ],
      ),
    ),
    ...(['none', 'some'] as const).map(
      (policy): Event => [policy, (model, state) => now(model, model.edit(state, policy))],
    ),
    ...all.map(
      (self): Event => [
        `${self} starts anew`,
        (model, state) => now(model, model.lose(state, self)),
      ],
    ),
    ...all.map((self): Event => [`${self} forgets`, (model, state) => model.expire(state, self)]),
    ...(isSlow
      ? [
          ...ends.map(
            (end): Event => [`${end} is seen`, (model, state) => model.learn(state, end)],
          ),
          ...all.map(
            (self): Event => [`${self} is told`, (model, state) => model.install(state, self)],
          ),
          ...ends.map(
            (end): Event => [`${end} sends, it flies`, (model, state) => model.launch(state, end)],
          ),
          ['it lands', (model, state) => model.land(state)] satisfies Event,
        ]
      : []),
  ]
}

/** What is owed to people when nothing is under way any more: what is allowed passes, at once. */
const missing = (model: Model, state: State, { protocol, isStripping }: World) => {
  const { policy, epoch } = state.wanted
  if (policy === 'none' || isStripping || !model.isQuiet(state)) return undefined
  const [entryA, entryB] = [state.entries[state.at.a - 1], state.entries[state.at.b - 1]]
  // All that knew who opened it was lost, and somebody else was allowed to, for as long as that was so.
  const asked = model.send(state, 'a')
  const first = entryA ?? (protocol === 6 ? entryB : undefined)
  const isTurned = policy === 'some' && first?.openedBy === 'b'
  if (!isTurned && !asked.isDelivered) return 'who opened it cannot go on'
  if (!isTurned && !model.send(asked.state, 'b').isDelivered) return 'no answer passes'
  const mayDecide = (entry: typeof entryA) => {
    if (entry?.openedBy !== 'a') return false
    const { isElsewhere, generation } = readLabel(entry.label)
    return !isElsewhere || generation !== epoch
  }
  const isFound = entryB === undefined ? protocol === 6 : entryB.openedBy === 'a'
  const decides = mayDecide(entryB) || (isFound && (mayDecide(entryA) || state.at.a === state.at.b))
  const isOwed = policy === 'all' || (decides && (entryA ?? entryB) !== undefined)
  if (isOwed && !model.send(state, 'b').isDelivered)
    return 'an answer does not pass, although a switch knows who asked'
  return undefined
}

interface Found {
  readonly wrong: string | undefined
  readonly states: number
}

/** All orders, shortest first. */
const search = (world: World, isSlow: boolean, begin: 'all' | 'some', depth: number): Found => {
  const model = new Model(world)
  const events = eventsOf(world, isSlow)
  const first = model.begin(begin, 1, 2)
  const seen = new Set([model.textOf(first)])
  let level: { readonly state: State; readonly way: readonly string[] }[] = [
    { state: first, way: [] },
  ]
  for (let step = 0; step < depth; step++) {
    const next: typeof level = []
    for (const { state, way } of level)
      for (const [name, happen] of events) {
        const made = happen(model, state)
        if (made === undefined) continue
        const path = [...way, name]
        if (isOutcome(made) && made.wrong)
          return { wrong: `${made.wrong}: ${path.join(', ')}`, states: seen.size }
        const after = isOutcome(made) ? made.state : made
        const text = model.textOf(after)
        if (seen.has(text)) continue
        seen.add(text)
        const lack = missing(model, after, world)
        if (lack) return { wrong: `${lack}: ${path.join(', ')}`, states: seen.size }
        next.push({ state: after, way: path })
      }
    level = next
  }
  return { wrong: undefined, states: seen.size }
}

/** Long random ones. */
const wander = (world: World, isSlow: boolean, seed: number, steps: number): Found => {
  const dice = seeded(seed)
  const model = new Model(world)
  const events = eventsOf(world, isSlow)
  let state = model.begin(pick(dice, ['all', 'some']), 1, 1 + dice(world.switches))
  const way: string[] = []
  for (let step = 0; step < steps; step++) {
    const [name, happen] = pick(dice, events)
    const made = happen(model, state)
    if (made === undefined) continue
    way.push(name)
    if (isOutcome(made) && made.wrong)
      return { wrong: `${made.wrong}: ${way.slice(-12).join(', ')}`, states: step }
    state = isOutcome(made) ? made.state : made
    const lack = missing(model, state, world)
    if (lack) return { wrong: `${lack}: ${way.slice(-12).join(', ')}`, states: step }
  }
  return { wrong: undefined, states: steps }
}

/** As it was: whatever comes from another switch is believed to be decided there, whoever has judged it. */
const believing = (sections: readonly Section[]): readonly Section[] => {
  const { offset, size } = registers.judgement
  const bits = (2 ** size - 1) * 2 ** offset
  return sections.map(section => ({
    ...section,
    flows: section.flows
      .filter(({ table, priority }) => table !== 'session' || priority !== 92)
      .map(flow => {
        const { reg0 } = flow.match
        if (flow.table !== 'session' || typeof reg0 !== 'object' || flow.priority < 93) return flow
        if (typeof reg0.value !== 'number' || typeof reg0.mask !== 'number') return flow
        const without = { value: reg0.value & ~bits, mask: reg0.mask & ~bits }
        return { ...flow, match: { ...flow.match, reg0: without } }
      }),
  }))
}

const worlds: readonly (readonly [World, isSlow: boolean, 'all' | 'some', depth: number])[] = [
  [{ protocol: 17, switches: 2 }, false, 'some', 6],
  [{ protocol: 6, switches: 2 }, false, 'some', 6],
  [{ protocol: 17, switches: 2 }, false, 'all', 6],
  [{ protocol: 6, switches: 2 }, false, 'all', 6],
  [{ protocol: 17, switches: 3 }, false, 'some', 4],
  [{ protocol: 6, switches: 3 }, false, 'all', 4],
  [{ protocol: 17, switches: 2 }, true, 'some', 5],
  [{ protocol: 6, switches: 2 }, true, 'all', 5],
  [{ protocol: 17, switches: 2, isStripping: true }, false, 'some', 5],
  [{ protocol: 6, switches: 2, isStripping: true }, false, 'some', 5],
]

for (const [world, isSlow, begin, depth] of worlds)
  t.test(`${JSON.stringify({ ...world, isSlow, begin, depth })}`, { timeout: 600_000 }, async t => {
    const began = performance.now()
    const { wrong, states } = search(world, isSlow, begin, depth)
    t.comment(`${states} states, ${Math.round(performance.now() - began)} ms`)
    t.equal(wrong, undefined)
    t.ok(states > 300)
  })

t.test('long random ones on two to four switches', { timeout: 600_000 }, async t => {
  for (const switches of [2, 3, 4])
    for (const protocol of [6, 17] as const)
      for (const isSlow of [false, true])
        for (let seed = 1; seed <= 3; seed++) {
          const { wrong } = wander({ protocol, switches }, isSlow, seed, 200)
          if (wrong) return t.fail(`${switches} ${protocol} ${isSlow} ${seed}: ${wrong}`)
        }
  t.pass('36 runs of 200 events')
})

t.test('rows that believe every switch are found out', async t => {
  for (const protocol of [6, 17] as const) {
    const { wrong } = search({ protocol, switches: 2, change: believing }, false, 'some', 5)
    t.match(wrong, /passed what denies it/)
    t.comment(wrong)
  }
})
