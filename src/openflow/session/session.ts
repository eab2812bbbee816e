/**
 * How a connection to a switch begins and how it is kept alive: one pure function over state and
 * event. OpenFlow 1.3.5 sections 6.3.1 (set-up), 6.4 (echo), 6.3.6 (roles).
 *
 *     hello ──hello──> features ──features-reply──> admission ──admitted──> describing ──all told──> ready
 *       │                 │                             │                       │
 *       └──── wrong version, wrong switch, refused, deadline, silence: close ───┘
 */
import type { ErrorName } from '../error-codes.js'
import type { Message, MessageKind, Received, ReceivedOf } from '../messages/index.js'

export interface SessionLimits {
  /** HELLO and FEATURES together, from the first octet of the connection on. */
  readonly handshakeMillis: number
  /** Description and ports, after the handshake. */
  readonly describeMillis: number
  /** Silence after which the switch is asked for an echo. */
  readonly idleMillis: number
  /** Silence after that question which ends the connection. */
  readonly echoMillis: number
}

export const sessionLimits: SessionLimits = {
  handshakeMillis: 5_000,
  describeMillis: 10_000,
  idleMillis: 5_000,
  echoMillis: 5_000,
}

export type Phase = 'hello' | 'features' | 'admission' | 'describing' | 'ready' | 'closed'

/** What must be answered before the switch is handed out. */
const questions = [
  'desc-request',
  'port-desc-request',
  'get-config-request',
  'role-request',
] as const
export type Question = (typeof questions)[number]

export interface SessionState {
  readonly phase: Phase
  readonly limits: SessionLimits
  readonly phaseDeadlineMillis: number
  readonly heardMillis: number
  /** When the unanswered echo was sent. */
  readonly echoSentMillis?: number
  readonly features?: ReceivedOf<'features-reply'>
  readonly description?: ReceivedOf<'desc-reply'>
  readonly ports?: ReceivedOf<'port-desc-reply'>
  readonly config?: ReceivedOf<'get-config-reply'>
  /** How often it was asked again to take us as its slave. */
  readonly roleAsks?: number
  /** Questions without an answer yet. */
  readonly open: readonly Question[]
}

export type SessionEvent =
  | { readonly type: 'opened' }
  /** Octets came in, whatever they say. */
  | { readonly type: 'heard' }
  /** A message before the switch is ready, or an echo. */
  | { readonly type: 'message'; readonly message: Received }
  /** The owner lets this switch in. */
  | { readonly type: 'admitted' }
  /** A question was answered, in all its parts. */
  | { readonly type: 'answered'; readonly reply: Received }
  | { readonly type: 'refused'; readonly question: Question; readonly error: string }
  | { readonly type: 'time' }

export type SessionEffect =
  | { readonly do: 'send'; readonly message: Message }
  | { readonly do: 'ask'; readonly message: Message & { readonly kind: Question } }
  | { readonly do: 'admit'; readonly features: ReceivedOf<'features-reply'> }
  | { readonly do: 'ready' }
  | { readonly do: 'close'; readonly reason: string; readonly answer?: ErrorName }

export interface Step {
  readonly state: SessionState
  readonly effects: readonly SessionEffect[]
}

export const newSession = (
  nowMillis: number,
  limits: SessionLimits = sessionLimits,
): SessionState => ({
  phase: 'hello',
  limits,
  phaseDeadlineMillis: nowMillis + limits.handshakeMillis,
  heardMillis: nowMillis,
  open: [],
})

/** What a session does about an event. */
export const step = (state: SessionState, event: SessionEvent, nowMillis: number): Step => {
  if (state.phase === 'closed') return stay(state)
  switch (event.type) {
    case 'opened':
      return { state, effects: [send({ kind: 'hello' })] }
    case 'heard':
      return stay(heard(state, nowMillis))
    case 'message':
      return received(state, event.message)
    case 'admitted':
      return admitted(state, nowMillis)
    case 'answered':
      return answered(state, event.reply)
    case 'refused':
      return refused(state, event.question, event.error)
    case 'time':
      return atTime(state, nowMillis)
  }
}

const send = (message: Message): SessionEffect => ({ do: 'send', message })
const stay = (state: SessionState): Step => ({ state, effects: [] })
const close = (state: SessionState, reason: string, answer?: ErrorName): Step => ({
  state: { ...state, phase: 'closed' },
  effects: [{ do: 'close', reason, ...(answer && { answer }) }],
})

const heard = (state: SessionState, nowMillis: number): SessionState => {
  const { echoSentMillis: _, ...others } = state
  return { ...others, heardMillis: nowMillis }
}

const openflow13 = 4

const received = (state: SessionState, message: Received): Step => {
  switch (message.kind) {
    case 'echo-request':
      return {
        state,
        effects: [send({ kind: 'echo-reply', xid: message.xid, data: message.data })],
      }
    case 'echo-reply':
      return stay(state)
    case 'hello':
      return state.phase === 'hello' ? greeted(state, message) : stay(state)
    case 'features-reply':
      return state.phase === 'features' ? introduced(state, message) : stay(state)
    case 'error':
      return state.phase === 'hello' || state.phase === 'features'
        ? close(
            state,
            `the switch refused the handshake with error ${message.type}/${message.code}`,
          )
        : stay(state)
    default:
      return state.phase === 'hello'
        ? close(state, `a ${message.kind} came before hello`, 'OFPBRC_BAD_TYPE')
        : stay(state)
  }
}

const greeted = (state: SessionState, hello: ReceivedOf<'hello'>): Step => {
  const { bitmap } = hello.versions
  const offered = (hello as { headerVersion?: number }).headerVersion ?? openflow13
  const isCommon = bitmap ? bitmap.includes(openflow13) : offered >= openflow13
  if (!isCommon)
    return close(
      state,
      'the switch does not speak OpenFlow 1.3: run "ovs-vsctl set bridge NAME protocols=OpenFlow13"',
      'OFPHFC_INCOMPATIBLE',
    )
  return { state: { ...state, phase: 'features' }, effects: [send({ kind: 'features-request' })] }
}

const noDatapath = 0n
const allDatapaths = 0xffff_ffff_ffff_ffffn

const introduced = (state: SessionState, features: ReceivedOf<'features-reply'>): Step => {
  if (features.auxiliaryId !== 0) return close(state, 'auxiliary connections are not used')
  if (features.datapathId === noDatapath || features.datapathId === allDatapaths)
    return close(state, 'a datapath id of all zeros or all ones is nobody')
  return {
    state: { ...state, phase: 'admission', features },
    effects: [{ do: 'admit', features }],
  }
}

const admitted = (state: SessionState, nowMillis: number): Step => {
  if (state.phase !== 'admission') return stay(state)
  return {
    state: {
      ...state,
      phase: 'describing',
      phaseDeadlineMillis: nowMillis + state.limits.describeMillis,
      open: questions,
    },
    effects: [
      // First, so that no flow or packet comes of a controller that has not been elected.
      { do: 'ask', message: { kind: 'role-request', role: 'slave', generationId: 0n } },
      { do: 'ask', message: { kind: 'desc-request' } },
      { do: 'ask', message: { kind: 'port-desc-request' } },
      { do: 'ask', message: { kind: 'get-config-request' } },
    ],
  }
}

const answered = (state: SessionState, reply: Received): Step => {
  switch (reply.kind) {
    case 'desc-reply':
      return told({ ...state, description: reply }, 'desc-request')
    case 'port-desc-reply':
      return told({ ...state, ports: reply }, 'port-desc-request')
    case 'get-config-reply':
      return told({ ...state, config: reply }, 'get-config-request')
    case 'role-reply':
      return reply.role === 'slave' ? told(state, 'role-request') : askSlave(state, reply)
    default:
      return stay(state)
  }
}

const undefinedGeneration = 0xffff_ffff_ffff_ffffn

/** The switch told its generation: ask with that one. */
const askSlave = (state: SessionState, { generationId }: ReceivedOf<'role-reply'>): Step => {
  const roleAsks = (state.roleAsks ?? 0) + 1
  if (roleAsks > maxRoleAsks) return close(state, 'the switch calls every generation stale')
  return {
    state: { ...state, roleAsks },
    effects: [
      {
        do: 'ask',
        message: {
          kind: 'role-request',
          role: 'slave',
          generationId: generationId === undefinedGeneration ? 0n : generationId,
        },
      },
    ],
  }
}

/** Another controller may raise the generation meanwhile; no switch does so for ever. */
const maxRoleAsks = 4

const told = (state: SessionState, question: Question): Step => {
  const open = state.open.filter(one => one !== question)
  if (state.phase !== 'describing' || open.length > 0) return stay({ ...state, open })
  return { state: { ...state, open, phase: 'ready' }, effects: [{ do: 'ready' }] }
}

const refused = (state: SessionState, question: Question, error: string): Step => {
  if (question !== 'role-request') return close(state, `the switch refused ${question}: ${error}`)
  // It has seen a higher generation: it is asked which, and asked again with that.
  if (error === 'OFPRRFC_STALE')
    return {
      state,
      effects: [{ do: 'ask', message: { kind: 'role-request', role: 'nochange' } }],
    }
  // A switch without roles has one controller only.
  return told(state, question)
}

const atTime = (state: SessionState, nowMillis: number): Step => {
  const { phase, limits, heardMillis, echoSentMillis } = state
  if (phase !== 'ready' && nowMillis >= state.phaseDeadlineMillis)
    return close(
      state,
      phase === 'describing' ? 'description took too long' : 'handshake took too long',
    )
  if (phase !== 'ready') return stay(state)
  if (echoSentMillis !== undefined)
    return nowMillis >= echoSentMillis + limits.echoMillis
      ? close(state, 'echo unanswered')
      : stay(state)
  if (nowMillis < heardMillis + limits.idleMillis) return stay(state)
  return {
    state: { ...state, echoSentMillis: nowMillis },
    effects: [send({ kind: 'echo-request' })],
  }
}

/** When `time` has something to do at the earliest. */
export const nextDeadlineMillis = (state: SessionState): number => {
  const { phase, limits, heardMillis, echoSentMillis } = state
  if (phase === 'closed') return Number.POSITIVE_INFINITY
  if (phase !== 'ready') return state.phaseDeadlineMillis
  return echoSentMillis === undefined
    ? heardMillis + limits.idleMillis
    : echoSentMillis + limits.echoMillis
}

/** Messages that a switch may send; the others are a controller's. */
const fromSwitches: ReadonlySet<MessageKind> = new Set<MessageKind>([
  'hello',
  'error',
  'echo-request',
  'echo-reply',
  'packet-in',
  'packet-in2',
  'flow-removed',
  'port-status',
  'role-status',
  'bundle-control',
  'request-forward',
  'experimenter',
  'unknown',
])

export const isFromSwitch = (kind: MessageKind): boolean =>
  fromSwitches.has(kind) || kind.endsWith('-reply') || kind.startsWith('flow-monitor-')
