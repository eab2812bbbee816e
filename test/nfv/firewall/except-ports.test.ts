/** `tcp except 1, 5, 9, ...`: what is left is right, and is found in time in proportion to how many there are. */
import t from 'tap'
import { subtractPorts } from '../../../src/nfv/firewall/meaning/ports.js'
import { parse } from '../../../src/nfv/firewall/text/parse.js'
import { randomOf } from '../../topology/networks.js'

t.test('what is left of random ranges is what a look at each port says', async t => {
  const random = randomOf(11)
  const below = (limit: number) => Math.floor(random() * limit)
  const ranges = (count: number) =>
    Array.from({ length: count }, () => {
      const from = below(60)
      return { from, to: Math.min(63, from + below(9)) }
    })
  for (let round = 0; round < 2_000; round++) {
    const [ports, without] = [ranges(below(6)), ranges(below(6))]
    const isIn = (set: typeof ports, port: number) =>
      set.some(({ from, to }) => from <= port && port <= to)
    const left = subtractPorts(ports, without)
    const wrong = Array.from({ length: 64 }, (_, port) => port).filter(
      port => isIn([...left], port) !== (isIn(ports, port) && !isIn(without, port)),
    )
    const isOrdered = left.every(
      ({ from, to }, index) => from <= to && from > (left[index - 1]?.to ?? -1),
    )
    if (wrong.length > 0 || !isOrdered) t.same({ ports, without, left }, [])
  }
})

t.test('a thousand exceptions are read as fast as a hundred of ten', async t => {
  const rule = (count: number, name: string) =>
    `${name}: allow tcp except ${Array.from({ length: count }, (_, at) => 1 + 50 * at).join(', ')}`
  const many = Array.from({ length: 100 }, (_, index) => rule(10, `r${index}`)).join('\n')
  const millis = (text: string) => {
    const began = process.cpuUsage()
    const { complaints } = parse(text)
    t.same(complaints, [])
    const { user, system } = process.cpuUsage(began)
    return (user + system) / 1_000
  }
  const [one, other] = [millis(rule(1_000, 'r')), millis(many)]
  t.ok(one < other + 500, `${one} ms, ${other} ms`)
})
