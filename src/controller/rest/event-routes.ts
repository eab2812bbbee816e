/**
 * Events as a list, as server-sent events (HTML standard, section 9.2) and over a WebSocket. A reader is given events at
 * its own pace from what the journal keeps, so that a slow one costs nothing but its place; what is not kept any more
 * by then is told as a gap.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Static } from 'typebox'
import type { Timers } from '../../base/env/env.js'
import type { Journal, JournalEntry } from '../journal.js'
import { sinceQuery } from './schemas.js'

/** Where events are a stream when that is accepted. */
export const streamPath = '/api/v1/events'
/** The one place where there is a WebSocket. */
export const socketPath = '/api/v1/events/socket'
/** How often a silent stream shows that it lives; proxies and clients usually wait for a minute. */
export const heartbeatMillis = 15_000
/** A reader that has taken nothing for so many heartbeats is gone. */
const patience = 4
const pageSize = 100
/** Messages that a WebSocket may have waiting. */
const unsentMessages = 64

const about =
  'Each event has "sequence", "time", "kind" and what belongs to its kind. Numbers grow, behind a restart too; kind "gap" says that events behind "after" are missing, and why. since=N is what came behind event N; 0 is all that is kept (10,000 events).'

export const eventRoutes =
  (journal: Journal, timers: Timers) =>
  (app: FastifyInstance): void => {
    app.get<{ Querystring: Static<typeof sinceQuery> }>(
      streamPath,
      {
        schema: {
          summary: 'events: a list, or a stream when text/event-stream is accepted',
          description: `${about} A list has 1,000 events at most. A stream is of server-sent events: the id is the sequence, the event is the kind, data is the event as JSON; a comment comes every 15 s. Last-Event-ID, which browsers send when they connect again, counts before since. Without either, all that is kept comes first.`,
          tags: ['reading'],
          querystring: sinceQuery,
        },
      },
      async (request, reply) => {
        const since = sinceOf(request)
        if (!request.headers.accept?.includes('text/event-stream'))
          return { items: journal.since(since ?? 0) }
        streamEvents(journal, timers, request, reply, since ?? 0)
        return reply
      },
    )
    app.get<{ Querystring: Static<typeof sinceQuery> }>(
      socketPath,
      {
        websocket: true,
        schema: {
          summary: 'events over a WebSocket',
          description: `${about} Each message is one event as JSON; without since only what happens from now on. A ping comes every 15 s.`,
          tags: ['reading'],
          querystring: sinceQuery,
        },
      },
      (socket, request) => {
        let unsent = 0
        let unanswered = 0
        const reader = new Reader(journal, timers, sinceOf(request) ?? journal.last, {
          take: entry => {
            unsent++
            socket.send(JSON.stringify(entry), () => {
              unsent--
              if (unsent === 0) reader.drained()
            })
            return unsent < unsentMessages
          },
          beat: () => {
            if (unanswered++ >= patience) socket.terminate()
            else socket.ping()
          },
          end: () => socket.terminate(),
        })
        socket.on('pong', () => {
          unanswered = 0
        })
        socket.on('close', () => reader.stop())
        socket.on('error', () => reader.stop())
        reader.start()
      },
    )
  }

/** What a client had last, as it says when it connects again, or what it asks for. */
const sinceOf = (request: FastifyRequest): number | undefined => {
  const id = request.headers['last-event-id']
  if (typeof id === 'string' && /^[0-9]{1,16}$/.test(id)) return Number(id)
  const { since } = request.query as Static<typeof sinceQuery>
  return since === undefined ? undefined : Number(since)
}

const streamEvents = (
  journal: Journal,
  timers: Timers,
  request: FastifyRequest,
  reply: FastifyReply,
  since: number,
): void => {
  reply.hijack()
  const out = reply.raw
  // The server's idle time-out is for questions and answers.
  request.raw.socket.setTimeout(0)
  for (const [name, value] of Object.entries(reply.getHeaders()))
    if (value !== undefined) out.setHeader(name, value)
  out.writeHead(200, {
    'content-type': 'text/event-stream; charset=utf-8',
    'cache-control': 'no-store, no-transform',
    // nginx hands a stream on piece by piece only when it is told so.
    'x-accel-buffering': 'no',
  })
  out.write(': sluice events\n\n')
  const reader = new Reader(journal, timers, since, {
    take: entry =>
      out.write(`id: ${entry.sequence}\nevent: ${entry.kind}\ndata: ${JSON.stringify(entry)}\n\n`),
    beat: () => out.write(': still here\n\n'),
    end: () => out.destroy(),
  })
  out.on('drain', () => reader.drained())
  out.on('error', () => reader.stop())
  request.raw.on('close', () => reader.stop())
  reader.start()
}

interface Sink {
  /** False when it has enough; `drained` is called when it can take more. */
  take(entry: JournalEntry): boolean
  /** Shows that the stream lives. */
  beat(): void
  /** The reader takes nothing any more. */
  end(): void
}

/** One reader of the journal, and how far it has come. */
class Reader {
  readonly #journal: Journal
  readonly #timers: Timers
  readonly #sink: Sink
  #after: number
  #isFull = false
  #fullBeats = 0
  #stops: (() => void)[] = []

  constructor(journal: Journal, timers: Timers, after: number, sink: Sink) {
    this.#journal = journal
    this.#timers = timers
    this.#after = after
    this.#sink = sink
  }

  start(): void {
    const pump = () => this.#pump()
    this.#journal.on('event', pump)
    this.#stops = [
      () => this.#journal.off('event', pump),
      this.#timers.every(heartbeatMillis, () => this.#beat()),
    ]
    pump()
  }

  stop(): void {
    for (const stop of this.#stops.splice(0)) stop()
  }

  drained(): void {
    this.#isFull = false
    this.#fullBeats = 0
    if (this.#stops.length > 0) this.#pump()
  }

  #pump(): void {
    while (!this.#isFull) {
      const entries = this.#journal.since(this.#after, pageSize)
      if (entries.length === 0) return
      for (const entry of entries) {
        this.#after = entry.sequence
        if (this.#sink.take(entry)) continue
        this.#isFull = true
        break
      }
    }
  }

  #beat(): void {
    if (!this.#isFull) this.#sink.beat()
    else if (++this.#fullBeats > patience) {
      this.stop()
      this.#sink.end()
    }
  }
}
