/** Two lines between the same ends, and somebody to declare intents. */
import { Declared } from '../../../src/controller/declared/declared.js'
import { intentKind } from '../../../src/controller/declared/kinds.js'
import { ObjectKeeper } from '../../../src/controller/objects/objects.js'
import { etherTypes, readPacket } from '../../../src/pipeline/packet.js'
import type { NetworkSpec } from '../../../src/sim/network.js'
import { end, switchesOf, switchNames, Whole } from '../whole.js'

/*
 *        1 s2 2──1 s3 2──1 s4 2        h1 and h2 at s1, h3 at s5, h4 at s7
 *      1/                      \1
 *    s1                         s5     the lower line costs more: the upper is a path's first choice
 *      2\                      /2
 *        1 s6 2──1 s7 2──1 s8 2        rungs: s2:3─s6:3, s3:3─s7:3, s4:3─s8:3, where asked for
 */
export const lines = (hasRungs: boolean): NetworkSpec => {
  const line = (port: number, names: readonly string[]) => [
    { a: end('s1', port), b: end(names[0]!, 1) },
    { a: end(names[0]!, 2), b: end(names[1]!, 1) },
    { a: end(names[1]!, 2), b: end(names[2]!, 1) },
    { a: end(names[2]!, 2), b: end('s5', port) },
  ]
  const rungs = [2, 3, 4].map(upper => ({ a: end(`s${upper}`, 3), b: end(`s${upper + 4}`, 3) }))
  return {
    switches: switchNames(8),
    hosts: [
      { name: 'h1', at: end('s1', 10) },
      { name: 'h2', at: end('s1', 11) },
      { name: 'h3', at: end('s5', 10) },
      { name: 'h4', at: end('s7', 10) },
    ],
    links: [
      ...line(1, ['s2', 's3', 's4']),
      ...line(2, ['s6', 's7', 's8']),
      ...(hasRungs ? rungs : []),
    ],
  }
}

export const declaring = async (whole: Whole) => {
  const objects = await ObjectKeeper.load(whole.env.timers, whole.store, [intentKind])
  const { controller } = whole
  const declared = new Declared(controller.topology, objects, switchesOf(whole), name =>
    controller.refusalOf('intent', name),
  )
  declared.start()
  return { objects, declared }
}

export const begin = async (spec: NetworkSpec) => {
  const whole = await Whole.start(spec)
  for (const one of whole.network.hosts.values()) one.announce()
  await whole.env.advance(1_000)
  const { objects, declared } = await declaring(whole)
  const apply = async (intent: object, name = 'voice') => {
    await whole.during(objects.apply([{ kind: 'Intent', name, spec: intent }]))
    await whole.env.advance(500)
    return declared.status('Intent', name)
  }
  const remove = async (name = 'voice') => {
    await whole.during(objects.remove(intentKind, name))
    await whole.env.advance(500)
  }
  return { whole, objects, declared, apply, remove }
}

/** With a tag or without. */
export const isIpv4 = (frame: Uint8Array): boolean =>
  readPacket(frame).fields.eth_type === etherTypes.ipv4

/** Switches in the order in which IPv4 frames came to them, once each time: `s2 s3 s2` turned back. */
export const follow = (whole: Whole): string[] => {
  const seen: string[] = []
  for (const one of whole.network.switches.values()) {
    const receive = Object.getPrototypeOf(one).receive
    one.receive = (port, frame) => {
      if (isIpv4(frame)) seen.push(one.name)
      receive.call(one, port, frame)
    }
  }
  return seen
}
