/**
 * The same small network on real Open vSwitch, twice: plain bridges (NORMAL) in a row, and ours in a ring, in the same
 * daemons. Machines and the unmanaged switch are the simulated ones, in real time.
 *
 *     plain:  p1 ── p2 ── p3      hub on p1          ours:   s1, s2, s3 in a ring, hub on s1 and s2
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Env } from '../../../src/base/env/env.js'
import { sh } from '../../../src/lab/shell.js'
import { type OvsNetwork, withOvs } from '../ovs/rig.js'
import { Sockets } from '../ovs/sockets.js'
import type { LearningSwitch } from './learning-switch.js'
import { type Socket, Street, type StreetEnv, switchSockets, uplinks } from './street.js'

const network = `title: A street
switches: [s1, s2, s3]
links:
  - [s1:1, s2:2]
  - [s2:1, s3:2]
  - [s3:1, s1:2]
hosts:
  h: { at: s1:20, ips: [10.9.0.1/24] }
  k: { at: s3:20, ips: [10.9.0.2/24] }
`

/** Lights that change are waited for where time goes on. */
class Pending {
  #all: Promise<unknown> = Promise.resolve()

  add(work: () => Promise<unknown>): void {
    this.#all = this.#all.then(work)
  }

  async done(): Promise<void> {
    await this.#all
  }
}

class RealStreet extends Street {
  readonly env: StreetEnv
  readonly unmanaged: LearningSwitch
  readonly #sockets: Sockets
  readonly #prefix: string
  readonly #pending = new Pending()
  readonly #ports: readonly number[]
  readonly #restart: () => Promise<void>

  constructor(
    env: Env,
    sockets: Sockets,
    prefix: string,
    cables: readonly string[],
    restart: () => Promise<void>,
  ) {
    super()
    this.#sockets = sockets
    this.#prefix = prefix
    this.#restart = restart
    this.env = {
      timers: env.timers,
      clock: env.clock,
      advance: async millis => {
        await this.#pending.done()
        await sleep(millis)
      },
    }
    for (const place of switchSockets) this.sockets.set(place, this.#socket(place))
    this.unmanaged = this.hub()
    this.#ports = cables.map(place => {
      const socket = this.#socket(place)
      const port = this.unmanaged.plug(frame => socket.send(frame))
      socket.occupant = { receive: frame => this.unmanaged.receive(port, frame) }
      this.sockets.set(place, socket)
      return port
    })
  }

  setUplink(index: 0 | 1, isUp: boolean): void {
    const port = this.#ports[index]
    if (port === undefined) return
    this.unmanaged.setUp(port, isUp)
    this.sockets.get(uplinks[index])!.setUp(isUp)
  }

  async restartController(): Promise<void> {
    await this.#restart()
  }

  /** Both are in the same daemons: `test/lab` restarts those. */
  restartSwitch(): void {}

  async stop(): Promise<void> {
    await this.#pending.done()
  }

  #socket(place: string): Socket {
    const name = `${this.#prefix}${place}`
    let isUp = false
    const socket: Socket = {
      occupant: undefined,
      setUp: next => {
        isUp = next
        this.#pending.add(() => this.#sockets.setUp(name, next))
      },
      send: frame => {
        if (isUp) this.#sockets.send(name, frame)
      },
    }
    this.#sockets.receivers.set(name, frame => socket.occupant?.receive(frame))
    return socket
  }
}

interface Streets {
  readonly plain: RealStreet
  readonly ours: RealStreet
  /** Another guard level, at every port of ours. */
  guard(level: string): Promise<void>
}

/** Both, without a policy; everything is cleared up behind `work`. */
export const withStreets = (env: Env, work: (streets: Streets) => Promise<void>): Promise<void> =>
  withOvs(network, async net => {
    const { items } = await net.controller.get<{ items: { name: string }[] }>('/api/v1/policies')
    for (const { name } of items)
      await net.controller.send('DELETE', `/api/v1/policies/${name}?wait=installed`)
    await plainBridges(net)
    const { switches } = net.stage.rig
    const places = [
      ...[...switchSockets, ...uplinks].map(place => ({
        place,
        bridge: place.slice(0, 2),
        prefix: '',
      })),
      ...[...switchSockets, uplinks[0]].map(place => ({
        place,
        bridge: `p${place[1]}`,
        prefix: 'plain ',
      })),
    ].map(({ place, bridge, prefix }) => {
      const { folder, namespace } = switches.get(place.slice(0, 2))!
      const port = Number(place.split(':')[1])
      return { name: prefix + place, namespace, database: `${folder}/db.sock`, bridge, port }
    })
    const sockets = new Sockets(`${switches.get('s1')!.namespace}-street`)
    try {
      await sockets.plug(places)
      for (const { name } of places) await sockets.setUp(name, false)
      const restart = async () => {
        await net.controller.kill()
        await net.controller.start()
        net.stage.retarget(net.controller.openflowPort)
      }
      const plain = new RealStreet(env, sockets, 'plain ', [uplinks[0]], async () => undefined)
      const ours = new RealStreet(env, sockets, '', uplinks, restart)
      const guard = async (level: string) => {
        const objects = [...switchSockets, ...uplinks].map(at => ({
          kind: 'Port',
          name: at.replace(':', '-'),
          spec: { at, guard: level },
        }))
        await net.controller.send('POST', '/api/v1/objects?wait=installed', { objects })
      }
      await work({ plain, ours, guard })
      await Promise.all([plain.stop(), ours.stop()])
    } finally {
      await sockets.unplug()
    }
  })

const plainBridges = async ({ stage }: OvsNetwork): Promise<void> => {
  const { switches } = stage.rig
  const vsctl = (name: string, line: string) =>
    sh('ovs-vsctl', `--db=unix:${switches.get(name)!.folder}/db.sock`, ...line.split(' '))
  for (const number of [1, 2, 3])
    await vsctl(
      `s${number}`,
      `add-br p${number} -- set bridge p${number} datapath_type=netdev fail_mode=standalone`,
    )
  for (const [a, b] of [
    [1, 2],
    [2, 3],
  ] as const) {
    const names = [`p${a}p${b}`, `p${b}p${a}`] as const
    const [inA, inB] = [a, b].map(each => switches.get(`s${each}`)!.namespace)
    await sh(
      'ip',
      ...`link add ${names[0]} netns ${inA} type veth peer name ${names[1]} netns ${inB}`.split(
        ' ',
      ),
    )
    for (const [at, device, namespace] of [
      [a, names[0], inA],
      [b, names[1], inB],
    ] as const) {
      await sh(
        'ip',
        'netns',
        'exec',
        namespace!,
        'sysctl',
        '-qw',
        `net.ipv6.conf.${device}.disable_ipv6=1`,
      )
      await sh('ip', '-n', namespace!, 'link', 'set', device, 'up')
      await vsctl(`s${at}`, `add-port p${at} ${device}`)
    }
  }
}
