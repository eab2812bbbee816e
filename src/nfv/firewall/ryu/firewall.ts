/** The commands of Ryu's firewall, on a policy of ours; replies are shaped and worded as scripts expect them. */
import type { Dpid } from '../../../base/addresses.js'
import type { Firewall } from '../service/service.js'
import {
  policyName,
  type RyuRule,
  type RyuState,
  readRule,
  readState,
  writePolicy,
} from './policy.js'

/** Refused as Ryu does: status 400, and the reason as text. */
export class Refusal extends Error {}

export interface CommandResult {
  readonly result: 'success' | 'failure'
  readonly details: string
  readonly vlan_id?: number
}

type Vlan = number | 'all'

export class RyuFirewall {
  readonly #firewall: Firewall
  #turn: Promise<unknown> = Promise.resolve()

  constructor(firewall: Firewall) {
    this.#firewall = firewall
  }

  status(): object[] {
    const { enabled } = this.#state
    return this.#switches('all').map(dpid => ({
      switch_id: dpid,
      status: enabled.includes(dpid) ? 'enable' : 'disable',
    }))
  }

  logStatus(): object[] {
    const { logging } = this.#state
    return this.#switches('all').map(dpid => ({
      switch_id: dpid,
      log_status: logging.includes(dpid) ? 'enable' : 'disable',
    }))
  }

  /** Turns the firewall, or its log, of switches on and off. */
  turn(what: 'enabled' | 'logging', isOn: boolean, switchId: string): Promise<object[]> {
    return this.#inTurn(async () => {
      const { chosen, absent } = this.#connected(switchId)
      const state = this.#state
      const others = state[what].filter(dpid => !chosen.includes(dpid))
      const changed = { ...state, [what]: isOn ? [...others, ...chosen].sort() : others }
      const details = turned[what][isOn ? 'on' : 'off']
      const replies = chosen.map(dpid => replyOf(dpid, { result: 'success', details }))
      return this.#keep(changed, replies, absent)
    })
  }

  rules(switchId: string, vlan: Vlan): object[] {
    const { rules } = this.#state
    return this.#switches(switchId).map(dpid => {
      const own = rules.filter(rule => rule.switch === dpid && isOf(rule, vlan))
      const vlans = [...new Set(own.map(rule => rule.vlan))]
      return {
        switch_id: dpid,
        access_control_list: vlans.map(id => ({
          ...(id !== 0 && { vlan_id: id }),
          rules: own.filter(rule => rule.vlan === id).map(shown),
        })),
      }
    })
  }

  add(switchId: string, vlan: Vlan, body: Readonly<Record<string, unknown>>): Promise<object[]> {
    return this.#inTurn(async () => {
      const wish = read(body)
      let state = this.#state
      const { chosen, absent } = this.#connected(switchId)
      const replies = chosen.map(dpid => {
        const vlans = vlan === 'all' ? vlansOf(state, dpid) : [vlan]
        const results = vlans.map((id): CommandResult => {
          const key = `${dpid}/${id}`
          const rule_id = (state.last[key] ?? 0) + 1
          const rules = [...state.rules, { switch: dpid, vlan: id, rule_id, ...wish }]
          state = { ...state, last: { ...state.last, [key]: rule_id }, rules }
          const details = `Rule added. : rule_id=${rule_id}`
          return { result: 'success', details, ...(id !== 0 && { vlan_id: id }) }
        })
        return replyOf(dpid, results)
      })
      return this.#keep(state, replies, absent)
    })
  }

  delete(switchId: string, vlan: Vlan, body: Readonly<Record<string, unknown>>): Promise<object[]> {
    return this.#inTurn(async () => {
      const wanted = body.rule_id === 'all' ? 'all' : Number(body.rule_id)
      if (wanted !== 'all' && !Number.isInteger(wanted)) throw new Refusal('Invalid ruleID.')
      const state = this.#state
      const { chosen, absent } = this.#connected(switchId)
      const isGone = (rule: RyuRule) =>
        chosen.includes(rule.switch) &&
        isOf(rule, vlan) &&
        (wanted === 'all' || rule.rule_id === wanted)
      const replies = chosen.map(dpid => {
        const gone = state.rules.filter(rule => rule.switch === dpid && isGone(rule))
        return replyOf(dpid, deleted(gone, wanted))
      })
      const rules = state.rules.filter(rule => !isGone(rule))
      return this.#keep({ ...state, rules }, replies, absent)
    })
  }

  get #state(): RyuState {
    const { policies } = this.#firewall
    return readState(policies.list().find(policy => policy.name === policyName)?.source)
  }

  /** Dpids in their order. @throws {Refusal} when it is no switch that is known */
  #switches(switchId: string): string[] {
    const known = [...this.#firewall.host.topology.current.switches.keys()].sort()
    if (switchId === 'all') return known
    if (!/^[0-9a-f]{16}$/i.test(switchId)) throw new Refusal('Invalid switchID.')
    const dpid = known.find(each => each === switchId.toLowerCase())
    if (dpid === undefined) throw new Refusal(notConnected(switchId))
    return [dpid]
  }

  /** Those that can be told something now; as in Ryu, the others are not changed. @throws {Refusal} for one that is absent */
  #connected(switchId: string): { chosen: string[]; absent: string[] } {
    const meant = this.#switches(switchId)
    const isThere = (dpid: string) => this.#firewall.host.switch(dpid) !== undefined
    const absent = meant.filter(dpid => !isThere(dpid))
    if (switchId !== 'all' && absent.length > 0) throw new Refusal(notConnected(switchId))
    return { chosen: meant.filter(isThere), absent }
  }

  /** Resolves when it is in force at every switch that is connected, or has not been for 10 s: to the replies as they are then. */
  async #keep(
    state: RyuState,
    replies: readonly Reply[],
    absent: readonly string[],
  ): Promise<Reply[]> {
    const { policies, host } = this.#firewall
    const topology = host.topology.current
    const { networks } = topology
    const networkOf = (vlan: number) =>
      networks.find(each => each.number === vlan || each.ports?.some(port => port.vlan === vlan))
        ?.name
    for (const { vlan } of state.rules)
      if (vlan !== 0 && networkOf(vlan) === undefined)
        throw new Refusal(`no network has the VLAN ${vlan}: declare a Network first`)
    const source = writePolicy(state, this.#switches('all'), networkOf)
    const wish = { name: policyName, source, order: 1_000_000 }
    await policies.apply([wish], topology, undefined, { why: "Ryu's firewall paths" })
    const revision = host.nextRevision
    const told = replies.map(async reply => {
      const dpid = reply.switch_id as Dpid
      const isConfirmed =
        host.switch(dpid) !== undefined && (await host.confirmed(revision, confirmMillis, dpid))
      return isConfirmed ? reply : unconfirmed(reply)
    })
    return [
      ...(await Promise.all(told)),
      ...absent.map(dpid =>
        replyOf(dpid, { result: 'failure' as const, details: notConnected(dpid) }),
      ),
    ]
  }

  #inTurn<T>(change: () => Promise<T>): Promise<T> {
    const turn = this.#turn.then(change)
    this.#turn = turn.catch(() => undefined)
    return turn
  }
}

interface Reply {
  readonly switch_id: string
  readonly command_result: CommandResult | readonly CommandResult[]
}

const replyOf = (dpid: string, result: Reply['command_result']): Reply => ({
  switch_id: dpid,
  command_result: result,
})

const notConnected = (switchId: string): string =>
  `firewall sw is not connected. : switchID=${switchId}`

/** How long a reply waits for the switch. */
const confirmMillis = 10_000

/** What the switch has not confirmed is no success; it is kept, and sent again. */
const unconfirmed = ({ switch_id, command_result }: Reply): Reply => {
  const failed = (result: CommandResult): CommandResult =>
    result.result === 'failure'
      ? result
      : {
          ...result,
          result: 'failure',
          details: `${result.details} The switch has not confirmed it: it is kept, and sent again.`,
        }
  const isList = (one: Reply['command_result']): one is readonly CommandResult[] =>
    Array.isArray(one)
  return replyOf(
    switch_id,
    isList(command_result) ? command_result.map(failed) : failed(command_result),
  )
}

const turned = {
  enabled: { on: 'firewall running.', off: 'firewall stopped.' },
  logging: { on: 'Log collection started.', off: 'Log collection stopped.' },
} as const

const isOf = (rule: RyuRule, vlan: Vlan): boolean => vlan === 'all' || rule.vlan === vlan

const vlansOf = (state: RyuState, dpid: string): number[] => [
  ...new Set([0, ...state.rules.filter(rule => rule.switch === dpid).map(rule => rule.vlan)]),
]

const shown = ({ rule_id, priority, vlan, match, actions }: RyuRule) => ({
  rule_id,
  priority,
  ...(vlan !== 0 && { dl_vlan: vlan }),
  ...match,
  actions,
})

const read = (body: Readonly<Record<string, unknown>>) => {
  try {
    return readRule(body)
  } catch (error) {
    if (error instanceof RangeError) throw new Refusal(error.message)
    throw error
  }
}

/** One result for each VLAN; a failure when there was nothing to delete. */
const deleted = (
  rules: readonly RyuRule[],
  wanted: number | 'all',
): CommandResult | readonly CommandResult[] => {
  if (rules.length === 0)
    return {
      result: 'failure',
      details: `Rule is not exist.${wanted === 'all' ? '' : ` : ruleID=${wanted}`}`,
    }
  return [...new Set(rules.map(rule => rule.vlan))].map((vlan): CommandResult => {
    const ids = rules.filter(rule => rule.vlan === vlan).map(rule => rule.rule_id)
    const details = `Rule deleted. : ruleID=${ids.join(',')}`
    return { result: 'success', details, ...(vlan !== 0 && { vlan_id: vlan }) }
  })
}
