/**
 * The figures of discovery and forwarding, on simulated switches over loopback TCP. In `fat-tree` they run in this
 * process and share its core with the controller; in `rest` they have a process of their own.
 *
 *     npm run bench -- topology [fat-tree] [rest]
 */
import { fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { realEnv } from '../src/base/env/real-env.js'
import { CollectingLog } from '../src/base/log/log.js'
import { Controller } from '../src/controller/controller.js'
import { MemoryStore } from '../src/controller/store/memory-store.js'
import { listenForSwitches } from '../src/openflow/index.js'
import { type HostSpec, type NetworkSpec, SimulatedNetwork } from '../src/sim/network.js'
import { countMessages, end, switchNames } from '../test/topology/whole.js'

const env = realEnv(new CollectingLog())
const sleep = (millis: number) => new Promise<void>(resolve => setTimeout(resolve, millis))

const until = async (isDone: () => boolean, limitMillis = 60_000): Promise<void> => {
  const endMillis = performance.now() + limitMillis
  while (!isDone()) {
    if (performance.now() > endMillis) throw new Error('not done in time')
    await sleep(2)
  }
}

/** k pods of k/2 edge and k/2 aggregation switches, (k/2)^2 cores: k = 8 has 80 switches and 256 links. */
export const fatTree = (k: number, hostsPerEdge: number): NetworkSpec => {
  const half = k / 2
  const switches = switchNames(k * k + half * half)
  const name = (index: number) => switches[index]!.name
  const edge = (pod: number, index: number) => name(pod * k + index)
  const aggregation = (pod: number, index: number) => name(pod * k + half + index)
  const core = (index: number) => name(k * k + index)
  const links = []
  const hosts: HostSpec[] = []
  for (let pod = 0; pod < k; pod++)
    for (let a = 0; a < half; a++) {
      for (let b = 0; b < half; b++) {
        links.push({ a: end(edge(pod, a), b + 1), b: end(aggregation(pod, b), a + 1) })
        links.push({
          a: end(aggregation(pod, a), half + b + 1),
          b: end(core(a * half + b), pod + 1),
        })
      }
      for (let host = 0; host < hostsPerEdge; host++)
        hosts.push({ name: `h${pod}-${a}-${host}`, at: end(edge(pod, a), 100 + host) })
    }
  return { switches, links, hosts }
}

const listen = async () => {
  const controller = await Controller.create(env, new MemoryStore(env), {
    secret: new Uint8Array(32),
    generationId: 1n,
  })
  let connectedMillis = 0
  const listener = await listenForSwitches(
    env,
    { host: '127.0.0.1', port: 0 },
    {
      onSwitch: connection => {
        connectedMillis = performance.now()
        controller.switchConnected(connection).catch(error => console.error(error))
      },
    },
  )
  controller.start()
  const { address } = listener
  if (!('port' in address)) throw new Error('no port')
  const stop = async () => {
    await Promise.all([listener.close(), controller.stop()])
  }
  return { controller, port: address.port, stop, connectedMillis: () => connectedMillis }
}

const begin = async (spec: NetworkSpec) => {
  const network = SimulatedNetwork.create(env, spec)
  const { controller, port, stop, connectedMillis } = await listen()
  network.start({ host: '127.0.0.1', port })
  const stopAll = async () => {
    network.stop()
    await stop()
  }
  return { network, controller, stop: stopAll, connectedMillis }
}

/** Every link in both directions, every other port decided. */
const isKnown = (controller: Controller, spec: NetworkSpec): boolean => {
  const { switches, links } = controller.topology.current
  return (
    links.size === 2 * spec.links!.length &&
    [...switches.values()].every(each =>
      [...each.ports.values()].every(port => !port.isUp || port.kind !== 'unknown'),
    )
  )
}

/** Nothing is compiled any more, and all that was is in the switches. */
const settled = async (controller: Controller) => {
  for (let before = -1; before !== controller.revision; ) {
    before = controller.revision
    await sleep(400)
    await controller.programmed(controller.nextRevision, 60_000)
  }
}

const median = (list: readonly number[]): number =>
  [...list].sort((a, b) => a - b)[list.length >> 1]!

const tree = async (hostsPerEdge: number): Promise<void> => {
  const spec = fatTree(8, hostsPerEdge)
  const { network, controller, stop, connectedMillis } = await begin(spec)
  await until(() => isKnown(controller, spec))
  const discoveredMillis = performance.now() - connectedMillis()
  await settled(controller)
  for (const host of network.hosts.values()) host.announce()
  await until(() => controller.topology.current.hosts.size === spec.hosts!.length)
  await settled(controller)
  console.log(`fat tree k=8: 80 switches, 256 links, ${spec.hosts!.length} hosts`)
  console.log(
    `  last connection to all links and ports known  ${discoveredMillis.toFixed(0)} ms   goal 2000`,
  )
  await fail(network, controller, spec)
  await stop()
}

/** Long enough to meet what happens every minute. */
const runs = 41

const fail = async (network: SimulatedNetwork, controller: Controller, spec: NetworkSpec) => {
  const counts = countMessages(network)
  let lastGroupMillis = 0
  let cpuAtLastGroup = process.cpuUsage()
  for (const one of network.switches.values()) {
    const received = one.received.bind(one)
    one.received = (channel, message) => {
      const isGroup =
        message.kind === 'group-mod' || (message.kind === 'bundle-add' && message.message[1] === 15)
      if (isGroup) {
        lastGroupMillis = performance.now()
        cpuAtLastGroup = process.cpuUsage()
      }
      received(channel, message)
    }
  }
  let compiledMillis = 0
  controller.on('compiled', () => {
    compiledMillis ||= performance.now()
  })
  const times: number[] = []
  const cpu: number[] = []
  const compiled: number[] = []
  const groups: number[] = []
  const flows: number[] = []
  for (let run = 0; run < runs; run++) {
    const { a, b } = spec.links![(run * 29) % spec.links!.length]!
    counts.clear()
    compiledMillis = 0
    const cpuBefore = process.cpuUsage()
    const began = performance.now()
    network.linkDown(a, b)
    await settled(controller)
    times.push(lastGroupMillis - began)
    const { user, system } = cpuAtLastGroup
    cpu.push((user + system - cpuBefore.user - cpuBefore.system) / 1_000)
    compiled.push(compiledMillis - began)
    groups.push(counts.get('group-mod') ?? 0)
    flows.push(counts.get('flow-mod') ?? 0)
    network.linkUp(a, b)
    await until(() => isKnown(controller, spec))
    await settled(controller)
  }
  console.log(
    `  port down to last group message received  ${median(times).toFixed(1)} / ${Math.min(...times).toFixed(1)} / ${Math.max(...times).toFixed(1)} ms (median, best, worst of ${runs})   goal 20`,
  )
  console.log(
    `  CPU of the process until then, the switches' too  ${median(cpu).toFixed(1)} ms, worst ${Math.max(...cpu).toFixed(1)}`,
  )
  console.log(
    `  of it until compiled and handed to all programmers  ${median(compiled).toFixed(1)} ms`,
  )
  console.log(`  group messages ${median(groups)}, flow messages ${median(flows)} (medians)`)
}

/** 100 switches, each with links to the next ten. */
const thousandLinks = (): NetworkSpec => {
  const switches = switchNames(100)
  const used = new Map<string, number>()
  const port = (name: string) => {
    const next = (used.get(name) ?? 0) + 1
    used.set(name, next)
    return end(name, next)
  }
  const links = Array.from({ length: 1_000 }, (_, index) => {
    const a = switches[index % 100]!.name
    const b = switches[(index + 1 + Math.floor(index / 100)) % 100]!.name
    return { a: port(a), b: port(b) }
  })
  return { switches, links, hosts: [] }
}

/** The switches run in a process of their own; only the controller's share counts. */
const rest = async (): Promise<void> => {
  const { controller, port, stop } = await listen()
  const child = fork(fileURLToPath(new URL('main.js', import.meta.url)), [
    'topology',
    'switches',
    String(port),
  ])
  await until(() => controller.topology.current.links.size === 2_000)
  // Until the compiler of the runtime has nothing left to do.
  await sleep(25_000)
  const revision = controller.revision
  const lastEvent = controller.journal.last
  const before = process.cpuUsage()
  const began = performance.now()
  await sleep(20_000)
  const used = process.cpuUsage(before)
  const seconds = (performance.now() - began) / 1_000
  const share = (used.user + used.system) / 1e6 / seconds
  console.log('100 switches, 1,000 links at rest, for 20 s after 25 s')
  console.log(`  controller: ${(share * 100).toFixed(1)} % of a core   goal 5`)
  const kinds = controller.journal.since(lastEvent, 1e6).map(event => event.kind)
  console.log(
    `  compiled ${controller.revision - revision} times meanwhile; events: ${[...new Set(kinds)].join(', ') || 'none'}`,
  )
  child.kill()
  await stop()
}

const switches = async (port: number): Promise<void> => {
  const network = SimulatedNetwork.create(env, thousandLinks())
  network.start({ host: '127.0.0.1', port })
  process.once('SIGTERM', () => process.exit(0))
}

export const run = async (words: string[]): Promise<void> => {
  const [first, port] = words
  if (first === 'switches') return switches(Number(port))
  if (words.length === 0 || words.includes('fat-tree')) {
    await tree(8)
    await tree(32)
  }
  if (words.length === 0 || words.includes('rest')) await rest()
}
