/** The stage of real Open vSwitch: switches and hosts in namespaces, one ovs-vswitchd a switch. */

import type { Env } from '../../base/env/env.js'
import { AgentHosts, agentPath } from '../agents.js'
import type { LabSpec, LinkSpec } from '../lab-spec.js'
import { Rig } from '../rig.js'
import { start } from '../shell.js'
import type { Stage } from '../stage.js'

export class NetnsStage extends AgentHosts implements Stage {
  readonly name = 'netns' as const
  readonly rig: Rig
  readonly #spec: LabSpec

  /** @param daemons the folder for those of Open vSwitch */
  constructor(env: Env, spec: LabSpec, statePath: string, daemons: string) {
    super(spec)
    this.#spec = spec
    this.rig = new Rig(env, spec, statePath, daemons)
  }

  async up(openflowPort: number): Promise<void> {
    // Whoever tags frames in a process of its own hands on unfinished checksums.
    const isTso = this.#spec.hosts.every(host => host.vlan === undefined)
    await this.rig.up(openflowPort, isTso)
    await this.start(host => {
      const [command = '', ...words] = [...this.enter(host), process.execPath, agentPath]
      return start(command, words, { stdio: ['pipe', 'pipe', 'inherit'] })
    })
  }

  enter(host: string): readonly string[] {
    return ['ip', 'netns', 'exec', this.rig.hostNamespace(host)]
  }

  protected interfaceOf(_host: string, index: 0 | 1): string {
    return `eth${index}`
  }

  setPower(name: string, isOn: boolean): Promise<void> {
    return isOn ? this.rig.reviveSwitch(name) : this.rig.killSwitch(name)
  }

  setLink(link: LinkSpec, isUp: boolean): Promise<void> {
    return this.rig.setLink(link, isUp)
  }

  retarget(openflowPort: number): void {
    this.rig.retarget(openflowPort)
  }

  async down(): Promise<void> {
    await this.stop()
    await this.rig.down()
  }
}
