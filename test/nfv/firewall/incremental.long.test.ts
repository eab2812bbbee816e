import { isDeepStrictEqual } from 'node:util'
import t from 'tap'
import { formatIpv4 } from '../../../src/base/addresses.js'
import { Compiler } from '../../../src/nfv/firewall/flows/compile.js'
import type { Facts } from '../../../src/nfv/firewall/meaning/environment.js'
import { Resolver } from '../../../src/nfv/firewall/meaning/resolve.js'
import type { Resolved } from '../../../src/nfv/firewall/meaning/resolved.js'
import { loadPolicy } from '../../../src/nfv/firewall/text/load.js'
import { Parser } from '../../../src/nfv/firewall/text/parse.js'
import type { Section } from '../../../src/pipeline/program.js'
import { flowText } from './flow-text.js'
import { type Dice, pick, seeded } from './random-policy.js'

/** Everything that may make one line depend on another, or a rule on something besides its line. */
const lines: readonly ((dice: Dice) => string)[] = [
  dice => `r${dice(30)}: allow tcp ${1 + dice(9)} from 10.0.0.${dice(9)} to any`,
  dice => `r${dice(30)}: drop udp ${1 + dice(9)}-${11 + dice(9)} from any to 10.0.1.${dice(9)}`,
  dice => `allow tcp ${dice(3)} from any to 10.0.0.${dice(3)}`,
  dice => `reject tcp 1024-65535 from 10.0.0.${dice(99)} to any`,
  dice => `drop tcp 1-1023 source 1024-65535 from 10.0.${dice(99)}.0/24 to any`,
  dice => `allow udp source 53 from any to any # answers of ${dice(5)}`,
  dice => `z${dice(9)}: allow tcp 80 from zone${dice(2)} to any`,
  dice => `s${dice(9)}: allow web from host a${dice(3)} to any`,
  dice => `zone zone${dice(2)} = 10.1.0.${dice(9)}, 10.2.0.0/16`,
  dice => `service web = tcp ${80 + dice(3)}, tcp 443`,
  dice => `let it = tcp ${dice(4)}`,
  () => 'l: allow $it from any to any',
  () => 'tier admin',
  () => 'tier main',
  () => 'tier baseline',
  () => 'tier application audit',
  () => 'file audit',
  dice => `audit drop tcp ${dice(9)}`,
  dice => `p${dice(3)}: pass tcp from 10.0.0.${dice(9)} to any`,
  dice => `w${dice(3)}: allow-stateless udp 4789 from 10.0.0.${dice(9)} to any`,
  dice => `u${dice(3)}: allow tcp 22 until 2026-0${1 + dice(9)}-01`,
  dice => `t${dice(3)}: allow tcp 23 schedule mon-fri 08:00-1${dice(10)}:00`,
  dice => `c${dice(3)}: allow tcp 25 limit ${1 + dice(5)}/minute per source max 3 half-open`,
  dice => `h${dice(3)}: allow any max ${1 + dice(4)} half-open`,
  dice => `f${dice(3)}: allow tcp 21 helper ftp from 10.0.${dice(2)}.${dice(4)} to any`,
  dice => `v${dice(3)}: allow tcp via chain${dice(2)}`,
  dice => `drop icmp echo-reply log "${dice(3)}"`,
  dice => `default ${pick(dice, ['drop', 'allow', 'reject log'])}`,
  dice => `default drop from zone${dice(2)} to any`,
  dice => `include "more${dice(2)}.rules"`,
  dice => `test "t" 10.0.0.1 -> 10.0.0.2 tcp ${dice(9)} drop`,
  () => 'allow tcp 1,',
  () => '  2 from 10.0.0.1 to any',
  () => 'this is a mistake',
  () => '',
  () => '# a comment',
]
const common = 6

const lineOf = (dice: Dice): string =>
  pick(dice, dice(2) === 0 ? lines.slice(0, common) : lines)(dice)

const edit = (dice: Dice, text: readonly string[]): string[] => {
  const next = [...text]
  const at = dice(next.length + 1)
  const count = dice(8) === 0 ? 5 : 1
  const some = () => Array.from({ length: count }, () => lineOf(dice))
  switch (dice(6)) {
    case 0:
      next.splice(at, count)
      break
    case 1:
      next.splice(dice(next.length + 1), 0, ...next.splice(at, count))
      break
    case 2:
      next.splice(at, 0, ...next.slice(at, at + count))
      break
    case 3:
      next.splice(at, 0, ...some())
      break
    default:
      next.splice(at, count, ...some())
  }
  return next
}

interface World {
  readonly texts: ReadonlyMap<string, readonly string[]>
  readonly facts: Facts
}

interface Steps {
  readonly parser: Parser
  readonly resolver: Resolver
  readonly compiler: Compiler
}
const stepsAnew = (): Steps => ({
  parser: new Parser(),
  resolver: new Resolver(),
  compiler: new Compiler(),
})

const run = async (
  { parser, resolver, compiler }: Steps,
  { texts, facts }: World,
  round: number,
) => {
  const read = (path: string) => texts.get(path)!.join('\n')
  const policies = []
  for (const [order, name] of ['a', 'b'].entries()) {
    const loaded = await loadPolicy(parser, `${name}.rules`, read(`${name}.rules`), read)
    policies.push({ name, order, loaded })
  }
  if (round % 5 === 0) parser.forgetOld()
  const resolved = resolver.resolve(policies, facts)
  return { policies, resolved, sections: compiler.compile(resolved, 1 + (round >> 2)) }
}

/** All that others see of it. */
const told = (resolved: Resolved, sections: readonly Section[]) => ({
  resolved,
  sections: Object.fromEntries(
    sections.map(({ name, flows, meters }) => [
      name,
      {
        flows: flows.map(
          flow => `${flowText(flow)} ${flow.cookie} ${flow.because} ${JSON.stringify(flow.origin)}`,
        ),
        meters,
      },
    ]),
  ),
})

const worlds = function* (seed: number, rounds: number): Generator<World> {
  const dice = seeded(seed)
  const texts = new Map(
    ['a', 'b', 'more0', 'more1'].map(name => [
      `${name}.rules`,
      Array.from({ length: name.length > 1 ? 3 : 25 }, () => lineOf(dice)),
    ]),
  )
  for (let round = 0; round < rounds; round++) {
    if (round > 0) {
      const name = pick(dice, ['a', 'a', 'a', 'b', 'more0'])
      texts.set(`${name}.rules`, edit(dice, texts.get(`${name}.rules`)!))
    }
    const [month, hour, address, chain] = [dice(9), 8 + dice(9), dice(3), dice(3)]
    yield {
      texts,
      facts: {
        hostAddresses: name => (name === 'a2' ? undefined : [formatIpv4(0x0a090000 + address)]),
        networkSubnets: () => undefined,
        portAddresses: () => undefined,
        hasChain: name => name === `chain${chain}`,
        nowMillis: Date.UTC(2026, month, 5, hour),
      },
    }
  }
}

const perSeed = 50
for (const part of [0, 1])
  t.test(
    `500 edits, part ${part}: what was remembered leaves no trace in what comes out`,
    async t => {
      let different = 0
      for (let seed = 1; seed <= 10; seed++) {
        const steps = stepsAnew()
        let round = 0
        for (const world of worlds(part * 1_000 + seed, perSeed)) {
          const kept = await run(steps, world, round)
          const fresh = await run(stepsAnew(), world, round)
          const [a, b] = [told(kept.resolved, kept.sections), told(fresh.resolved, fresh.sections)]
          if (!isDeepStrictEqual(a, b) || !isDeepStrictEqual(kept.policies, fresh.policies)) {
            t.same(
              [a, kept.policies],
              [b, fresh.policies],
              `seed ${part * 1_000 + seed}, edit ${round}`,
            )
            if (++different > 2) return
          }
          round++
        }
      }
      t.equal(different, 0)
    },
  )

t.test('a memory that kept too much would be noticed', async t => {
  const [first, second] = [...worlds(1, 2)].map(({ facts }) => facts)
  const texts = (port: number) =>
    new Map([
      ['a.rules', [`r: allow tcp ${port}`]],
      ['b.rules', []],
    ])
  const before = await run(stepsAnew(), { texts: texts(80), facts: first! }, 0)
  const after = await run(stepsAnew(), { texts: texts(81), facts: second! }, 0)
  t.notSame(told(before.resolved, before.sections), told(after.resolved, after.sections))
})
