/** Every order of plugging, pulling and declaring around two unmanaged switches: nothing ever goes in a circle. */
import t from 'tap'
import type { Dpid } from '../../src/base/addresses.js'
import { type PortKind, portKey } from '../../src/topology/model.js'
import { at, Wires } from './wires.js'

/** Two of ours, joined by a cable; three cables to unmanaged switches that are joined as well, so that all is one segment. */
const ends = ['1:1', '2:1', '2:2']

class Scene {
  readonly wires = new Wires()
  readonly kinds = new Map<string, PortKind>()
  readonly plugged = new Set<string>()

  constructor() {
    this.wires.discovery.on('port-decided', (ref, kind) => {
      this.kinds.set(portKey(ref), kind)
    })
    this.wires.discovery.on('link-seen', ({ from, isForeign }) => {
      if (isForeign) this.kinds.set(portKey(from), 'fabric')
    })
  }

  /** Two of ours, with a cable between them or without. */
  async start(isJoined: boolean): Promise<void> {
    if (isJoined) this.wires.cable('1:9', '2:9')
    for (const node of [1, 2]) this.wires.watch(node, 9)
    await this.wires.env.advance(1_000)
  }

  plug(end: string): void {
    this.plugged.add(end)
    this.wires.segment(...this.plugged)
    const { dpid, port } = at(end)
    this.wires.watch(Number.parseInt(dpid, 16), port)
  }

  pull(end: string): void {
    this.plugged.delete(end)
    this.wires.cut(end)
    this.wires.segment(...this.plugged)
    this.wires.discovery.forget(at(end), true)
    this.kinds.delete(portKey(at(end)))
  }

  /** Ports that carry the segment now. */
  carrying(): string[] {
    return [...this.plugged].filter(
      end => (this.kinds.get(portKey(at(end))) ?? 'unknown') !== 'unknown',
    )
  }
}

const orders = ([first, ...rest]: readonly string[]): string[][] =>
  first === undefined
    ? [[]]
    : orders(rest).flatMap(order =>
        Array.from({ length: order.length + 1 }, (_, index) => order.toSpliced(index, 0, first)),
      )
const subsets = (list: readonly string[]): string[][] =>
  list.reduce<string[][]>((all, each) => all.concat(all.map(some => some.concat(each))), [[]])

t.test('joined otherwise: never more than one port carries, and always one', async t => {
  let cases = 0
  const wrong: string[] = []
  for (const declared of subsets(ends))
    for (const plugging of orders(ends))
      for (const pulling of orders(ends)) {
        const scene = new Scene()
        for (const end of declared) scene.wires.edges.add(end)
        await scene.start(true)
        const look = async (what: string) => {
          for (let count = 0; count < 40; count++) {
            await scene.wires.env.advance(25)
            const isLoop = scene.carrying().length > 1
            if (isLoop)
              wrong.push(`${declared} ${plugging} ${pulling}: ${what}: ${scene.carrying()}`)
          }
          const isCarried = scene.carrying().length === Math.min(1, scene.plugged.size)
          if (!isCarried) wrong.push(`${declared} ${plugging} ${pulling}: ${what}: nobody carries`)
        }
        for (const end of plugging) {
          scene.plug(end)
          await look(`${end} plugged in`)
        }
        for (const end of pulling) {
          scene.pull(end)
          await look(`${end} pulled`)
          scene.plug(end)
          await look(`${end} plugged in again`)
        }
        scene.wires.discovery.stop()
        cases++
      }
  t.comment(`${cases} cases`)
  t.same(wrong.slice(0, 5), [])
})

t.test('joined by the segment alone: a pair is a link, until a cable joins them', async t => {
  const scene = new Scene()
  const { wires } = scene
  await scene.start(false)
  for (const end of ends) scene.plug(end)
  await wires.env.advance(2_000)
  t.same(scene.carrying().sort(), ['1:1', '2:1'])
  t.ok(wires.news().includes('link 1:1 to 2:1, foreign'))
  wires.cable('1:9', '2:9')
  await wires.env.advance(7_000)
  t.ok(wires.news().includes('lost 1:1 to 2:1: another way joins its switches'))
  t.same(scene.carrying(), ['1:1'])
  wires.cut('1:9')
  wires.cut('2:9')
  await wires.env.advance(1_200)
  t.ok(wires.news().includes('link 1:1 to 2:1, foreign'), 'as soon as the cable is lost')
})

t.test('a switch that is away goes on carrying', async t => {
  const scene = new Scene()
  const { wires } = scene
  await scene.start(true)
  scene.plug('1:1')
  await wires.env.advance(1_000)
  scene.plug('2:1')
  await wires.env.advance(1_000)
  t.same(scene.carrying(), ['1:1'])
  for (const port of [1, 9]) wires.discovery.forget({ dpid: at('1:1').dpid as Dpid, port }, false)
  await wires.env.advance(60_000)
  t.same(scene.carrying(), ['1:1'], 'nothing else is opened')
})
