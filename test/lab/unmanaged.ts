/** Puts a switch that nobody manages between hosts of a lab and the ports where they were plugged in. */
import type { realEnv } from '../../src/base/env/real-env.js'
import type { HostSpec, LabSpec } from '../../src/lab/lab-spec.js'
import { sh } from '../../src/lab/shell.js'
import type { NetnsStage } from '../../src/lab/stages/netns.js'
import type { SimStage } from '../../src/lab/stages/sim.js'
import { LearningSwitch } from '../topology/street/learning-switch.js'

type Env = ReturnType<typeof realEnv>

export const hostsNamed = ({ hosts }: LabSpec, names: readonly string[]): readonly HostSpec[] =>
  names.map(name => hosts.find(host => host.name === name)!)

/** A simulated one. @returns what sends a frame of one of its hosts */
export const putSimulated = (
  env: Pick<Env, 'timers' | 'clock'>,
  { network }: SimStage,
  hosts: readonly HostSpec[],
): ((host: string, frame: Uint8Array) => void) => {
  const one = new LearningSwitch(env)
  const ports = new Map<string, number>()
  for (const { at, name } of hosts) {
    const host = network.host(name)
    const hear = host.receive.bind(host)
    const port = one.plug(frame => hear(frame))
    const uplink = one.plug(frame => network.switch(at.name).receive(at.port, frame))
    host.receive = frame => one.receive(uplink, frame.slice())
    host.attach(frame => one.receive(port, frame))
    ports.set(name, port)
  }
  return (host, frame) => one.receive(ports.get(host)!, frame)
}

/** A bridge of Linux in a namespace of its own. @returns takes it down */
export const putBridge = async (
  stage: NetnsStage,
  hosts: readonly HostSpec[],
): Promise<() => Promise<void>> => {
  const { rig } = stage
  const here = `${rig.hostNamespace(hosts[0]!.name)}u`
  const ip = (line: string) => sh('ip', ...line.split(' '))
  const inside = (namespace: string, line: string) =>
    sh('ip', 'netns', 'exec', namespace, ...line.split(' '))
  await ip(`netns add ${here}`)
  for (const each of ['all', 'default'])
    await inside(here, `sysctl -qw net.ipv6.conf.${each}.disable_ipv6=1`)
  await ip(`-n ${here} link add br0 type bridge`)
  await ip(`-n ${here} link set br0 up`)
  for (const [index, { mac, name, ips }] of hosts.entries()) {
    const namespace = rig.hostNamespace(name)
    // Its cable goes on to the switch; it gets another one, to the bridge.
    await ip(`-n ${namespace} link set eth0 netns ${here} name up${index}`)
    await ip(`-n ${here} link set up${index} address 06:00:00:00:00:0${index}`)
    await ip(`link add eth0 netns ${namespace} type veth peer name down${index} netns ${here}`)
    for (const device of [`up${index}`, `down${index}`])
      await ip(`-n ${here} link set ${device} master br0 up`)
    await ip(`-n ${namespace} link set eth0 address ${mac} up`)
    for (const each of ips)
      await ip(`-n ${namespace} addr add ${each} dev eth0${each.includes(':') ? ' nodad' : ''}`)
  }
  return async () => {
    await ip(`netns del ${here}`)
  }
}
