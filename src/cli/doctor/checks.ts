/** What `sluice doctor` looks at, each as a function of what was read; what is wrong comes with the command that mends it. */
import type { Item } from '../reading/get.js'

export interface Finding {
  /** wrong: traffic is lost, or sluice does not do what is asked of it · note: good to know */
  readonly level: 'wrong' | 'note'
  readonly check: CheckName
  readonly text: string
  /** What to run. */
  readonly mend?: string
}

// biome-ignore format: a table
export const checks = {
  'checksum-offload': 'hosts that leave checksums to a network card that is not there: ping works, TCP does not',
  'fail-mode':        'bridges that forward by themselves 15 s after the controller is gone',
  'protocol':         'bridges that may not speak OpenFlow 1.3',
  'controllers':      'a second controller on the same bridge',
  'port-in-use':      'another program on the ports of sluice',
  'clock':            'a clock that is not set: certificates and hours in rules go by it',
  'mtu':              'ports of one bridge with different MTUs: large packets are lost',
  'packages':         'programs that are missing on this machine',
  'permissions':      'files and databases that this user may not read, or others may',
  'database':         'databases of declared switches that are not reached',
  'guard':            'hosts that were not believed within the last hour',
  'switches':         'switches that are gone, refuse flows, or are left alone',
  'ready':            'what else the controller says of itself',
} as const
export type CheckName = keyof typeof checks

/** What a controller says, asked over its API. */
export interface Told {
  readonly switches: readonly Item[]
  /** Declared switches. */
  readonly declared: readonly Item[]
  readonly events: readonly Item[]
  /** Why it is not ready. */
  readonly reasons: readonly string[]
  /** How far its clock is ahead of ours. */
  readonly aheadMillis: number
}

const hourMillis = 3_600_000
const mostAheadMillis = 5_000

const wrong = (check: CheckName, text: string, mend?: string): Finding => ({
  level: 'wrong',
  check,
  text,
  ...(mend !== undefined && { mend }),
})

/** @param nowMillis by the clock of the controller */
export const findingsOver = (told: Told, nowMillis: number): readonly Finding[] => [
  ...told.switches.flatMap(ofSwitch),
  ...told.declared.flatMap(({ name, status }) => {
    const { state, reason } = status as { state: string; reason?: string }
    if (state === 'installed') return []
    return [
      wrong(
        'database',
        `Switch ${name} is ${state}${reason ? `: ${reason}` : ''}`,
        `sluice describe switch ${name}`,
      ),
    ]
  }),
  ...refused(told.events, nowMillis),
  ...told.reasons
    .filter(reason => !/is left alone|another controller is master/.test(reason))
    .map(reason => wrong('ready', reason)),
  ...(Math.abs(told.aheadMillis) > mostAheadMillis
    ? [
        wrong(
          'clock',
          `the clock of the controller is ${Math.round(Math.abs(told.aheadMillis) / 1_000)} s ${told.aheadMillis > 0 ? 'ahead of' : 'behind'} this machine`,
          'timedatectl set-ntp true',
        ),
      ]
    : []),
]

const ofSwitch = ({ name, state, reason, notes }: Item): Finding[] => [
  ...((notes as string[] | undefined) ?? []).map(note =>
    wrong(
      'checksum-offload',
      note,
      /ethtool [^;,.)]*off/.exec(note)?.[0] ?? 'ethtool -K eth0 tx off',
    ),
  ),
  ...(state === 'not-adopted'
    ? [wrong('switches', `switch ${name} is left alone: ${reason}`, `sluice adopt ${name}`)]
    : []),
  ...(state === 'not-master'
    ? [
        wrong(
          'controllers',
          `switch ${name}: ${reason}`,
          'ovs-vsctl set-controller BRIDGE tcp:127.0.0.1:6653',
        ),
      ]
    : []),
  ...(state === 'degraded'
    ? [wrong('switches', `switch ${name}: ${reason}`, `sluice describe switch ${name}`)]
    : []),
  ...(state === 'disconnected'
    ? [
        wrong(
          'switches',
          `switch ${name} is not connected`,
          `ovs-vsctl get-controller ${name}; sluice delete switch ${name}   # when it is gone for good`,
        ),
      ]
    : []),
]

const refused = (events: readonly Item[], nowMillis: number): Finding[] => {
  const recent = events.filter(({ time }) => nowMillis - Date.parse(String(time)) < hourMillis)
  const byText = new Map<string, Finding>()
  for (const { kind, mac, reason, remote } of recent) {
    if (kind === 'host-refused')
      byText.set(
        `${mac}`,
        wrong(
          'guard',
          `host ${mac} is not believed: ${reason}`,
          'sluice events --since 0   # then declare the Host, or set the guard of its Port',
        ),
      )
    if (kind === 'connection-refused' && /version/i.test(String(reason)))
      byText.set(
        `${remote}`,
        wrong(
          'protocol',
          `a switch at ${remote} was not let in: ${reason}`,
          'ovs-vsctl set bridge BRIDGE protocols=OpenFlow13',
        ),
      )
  }
  return [...byText.values()]
}

/** What the database of an Open vSwitch on this machine says of one bridge. */
export interface Bridge {
  readonly name: string
  readonly failMode: string
  readonly protocols: readonly string[]
  readonly controllers: readonly string[]
  readonly mtus: readonly { readonly port: string; readonly mtu: number }[]
}

/** Bridges without a controller are somebody else's. */
export const findingsOfBridge = ({
  name,
  failMode,
  protocols,
  controllers,
  mtus,
}: Bridge): readonly Finding[] => {
  if (controllers.length === 0) return []
  const largest = Math.max(0, ...mtus.map(({ mtu }) => mtu))
  return [
    ...(failMode === 'secure'
      ? []
      : [
          wrong(
            'fail-mode',
            `bridge ${name} forwards by itself 15 s after the controller is gone`,
            `ovs-vsctl set-fail-mode ${name} secure`,
          ),
        ]),
    ...(protocols.length === 0 || protocols.includes('OpenFlow13')
      ? []
      : [
          wrong(
            'protocol',
            `bridge ${name} speaks ${protocols.join(', ')} only`,
            `ovs-vsctl set bridge ${name} protocols=OpenFlow13`,
          ),
        ]),
    ...(controllers.length > 1
      ? [
          wrong(
            'controllers',
            `bridge ${name} has ${controllers.length} controllers: ${controllers.join(', ')}`,
            `ovs-vsctl set-controller ${name} ${controllers[0]}`,
          ),
        ]
      : []),
    ...mtus
      .filter(({ mtu }) => mtu < largest)
      .map(({ port, mtu }) =>
        wrong(
          'mtu',
          `port ${port} of bridge ${name} has an MTU of ${mtu}, others ${largest}`,
          `ip link set dev ${port} mtu ${largest}`,
        ),
      ),
  ]
}
