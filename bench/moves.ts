/**
 * True moves: a host falls silent at one port and announces itself at a port of another switch. Accepted is what the
 * topology shows within 2 s; the time counts from the announcement, on simulated switches over loopback TCP.
 *
 *     npm run bench -- moves
 */
import type { Ipv4 } from '../src/base/addresses.js'
import { realEnv } from '../src/base/env/real-env.js'
import { CollectingLog } from '../src/base/log/log.js'
import { Controller } from '../src/controller/controller.js'
import { MemoryStore } from '../src/controller/store/memory-store.js'
import { listenForSwitches } from '../src/openflow/index.js'
import { buildFrame } from '../src/pipeline/build.js'
import { SimulatedNetwork } from '../src/sim/network.js'
import { end, ring } from '../test/topology/whole.js'
import { median, quantile, sleep } from './program.js'

const mac = '02:00:00:00:00:01'
const ip = '10.0.0.1' as Ipv4
const places = [
  { name: 's1', port: 10 },
  { name: 's3', port: 20 },
] as const

const announcement = buildFrame({
  eth_dst: 0xffffffffffff,
  eth_src: 0x020000000001,
  eth_type: 0x0806,
  arp_op: 1,
  arp_sha: 0x020000000001,
  arp_spa: 0x0a000001,
  arp_tha: 0,
  arp_tpa: 0x0a000001,
})

export const run = async (): Promise<void> => {
  const env = realEnv(new CollectingLog())
  const spec = ring(3)
  const hosts = [
    { ...spec.hosts![0]!, ip },
    { name: 'spare', at: end('s3', 20) },
  ]
  const network = SimulatedNetwork.create(env, { ...spec, hosts })
  // The old place is silent: nobody answers for the host.
  for (const host of network.hosts.values()) host.receive = () => undefined
  const options = { secret: new Uint8Array(32), generationId: 1n }
  const controller = await Controller.create(env, new MemoryStore(env), options)
  const listener = await listenForSwitches(
    env,
    { host: '127.0.0.1', port: 0 },
    {
      onSwitch: connection => {
        controller.switchConnected(connection).catch(error => console.error(error))
      },
    },
  )
  if (!('port' in listener.address)) throw new Error('no port')
  controller.start()
  network.start({ host: '127.0.0.1', port: listener.address.port })
  await sleep(3_000)
  const portOf = () => controller.topology.current.hosts.get(mac)?.at.port
  const moveTo = async ({ name, port }: (typeof places)[number]): Promise<number | undefined> => {
    const began = performance.now()
    network.switch(name).receive(port, announcement)
    while (portOf() !== port) {
      if (performance.now() - began > 2_000) return undefined
      await sleep(2)
    }
    return performance.now() - began
  }
  await moveTo(places[0])
  const times: number[] = []
  for (let move = 1; move <= 100; move++) {
    const millis = await moveTo(places[move % 2]!)
    if (millis !== undefined) times.push(millis)
    await sleep(50)
  }
  console.log(`true moves accepted: ${times.length} of 100`)
  console.log(
    `  from the announcement to the new place: median ${median(times).toFixed(0)} ms, p99 ${quantile(times, 0.99).toFixed(0)} ms`,
  )
  network.stop()
  await Promise.all([listener.close(), controller.stop()])
}
