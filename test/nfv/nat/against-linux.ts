/** Random statements and connections on Open vSwitch and on Linux: same verdicts, same addresses as the other end sees. */
import type { Test } from 'tap'
import { diceOf, randomScene, randomTry, type Try } from './random-nat.js'
import { LinuxSite, withSite } from './site.js'

/** Of what the other end has heard, the address; ports are anybody's. */
const addressIn = (answer: string): string =>
  answer === 'unreachable' ? 'refused' : (answer.split(' ')[0] ?? '')

const textOf = ({ from, kind, to, port, size }: Try): string =>
  `${from} to ${to} ${kind} ${port}${size > 8 ? `, ${size} octets` : ''}`

/** @param count of sets of statements, with `tries` connections each */
export const againstLinux = async (
  t: Test,
  seed: number,
  count: number,
  tries: number,
): Promise<void> => {
  const linux = new LinuxSite(`n${seed.toString(36)}`)
  try {
    await linux.up()
    await withSite(async ({ hosts, rules }) => {
      for (const name of ['a', 'b', 'w', 'd'])
        await hosts.run(name, 'ping -c 1 -W 2 203.0.113.1 > /dev/null')
      for (let number = 0; number < count; number++) {
        const dice = diceOf(seed * 1_000 + number)
        const scene = randomScene(dice)
        await linux.load(scene.linux)
        await rules(scene.ours)
        const asked = Array.from({ length: tries }, () => randomTry(dice, scene))
        for (const each of asked) {
          const { from, kind, to, port, size } = each
          const [ours, theirs] = await Promise.all(
            [hosts, linux.hosts].map(site => site.ask(from, kind, to, port, { size })),
          )
          t.equal(
            addressIn(ours!),
            addressIn(theirs!),
            `${textOf(each)}: ${theirs} on Linux, ${ours} here, with\n${scene.ours}`,
          )
        }
      }
    })
  } finally {
    await linux.down()
  }
}
