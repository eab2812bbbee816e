/** What a lab is made of. */
import type { Step } from './steps.js'

export interface End {
  readonly name: string
  readonly port: number
}

export interface SwitchSpec {
  readonly name: string
  /** 16 hex digits. */
  readonly dpid: string
}

export interface HostSpec {
  readonly name: string
  readonly mac: string
  /** With prefix length. */
  readonly ips: readonly string[]
  readonly routes: readonly string[]
  readonly at: End
  /** The VLAN of its frames, which it tags itself. */
  readonly vlan?: number
  /** Another place it can be plugged in at: its second interface, dead until it moves. */
  readonly spare?: End
}

/** An object as the API takes it. */
export interface ObjectSpec {
  readonly kind: string
  readonly name: string
  readonly spec: Readonly<Record<string, unknown>>
}

export interface LinkSpec {
  readonly a: End
  readonly b: End
}

export interface LabSpec {
  readonly name: string
  readonly title: string
  readonly switches: readonly SwitchSpec[]
  readonly hosts: readonly HostSpec[]
  readonly links: readonly LinkSpec[]
  /** The rule file, beside lab.yaml. */
  readonly rules: string
  /** Declared before the hosts first speak. */
  readonly objects: readonly ObjectSpec[]
  readonly steps: readonly Step[]
}
