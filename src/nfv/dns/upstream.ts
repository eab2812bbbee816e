/**
 * Asks other servers: by UDP from a port of its own for each question, with a random id (RFC 5452); by TCP what comes cut
 * (RFC 7766). The next server is asked when one is silent or cannot.
 */
import type { Connection, Env } from '../../base/env/env.js'
import type { Upstream } from './kind.js'
import { type Query, type Response, rcodes, readResponse, writeQuestion } from './message.js'

export interface Answered {
  readonly bytes: Uint8Array
  readonly response: Response
}

const patienceMillis = 2_000
/** Servers that are asked for one question, the same again when there are fewer. */
const tries = 3
/** Octets of an answer by TCP. */
const mostOctets = 65_535

type Needed = Pick<Env, 'net' | 'timers' | 'random'>

/** @returns undefined when none of them answers */
export const askUpstream = async (
  env: Needed,
  servers: readonly Upstream[],
  query: Query,
): Promise<Answered | undefined> => {
  let worst: Answered | undefined
  for (let turn = 0; turn < tries; turn++) {
    const server = servers[turn % servers.length]!
    const id = env.random.uint32() & 0xffff
    const said = await byUdp(env, server, id, query)
    if (said === undefined) continue
    const whole = said.response.isTruncated ? await byTcp(env, server, id, query) : said
    const { rcode } = whole?.response ?? said.response
    if (whole && (rcode === rcodes.ok || rcode === rcodes.nxDomain)) return whole
    worst ??= whole ?? said
  }
  return worst
}

/** The answer to a question, and to nothing else. */
const read = (bytes: Uint8Array, id: number, query: Query): Answered | undefined => {
  const response = readResponse(bytes)
  const isOurs =
    response?.id === id &&
    response.name === query.name &&
    response.type === query.type &&
    response.class === query.class
  return isOurs ? { bytes, response } : undefined
}

const byUdp = async (
  { net, timers }: Needed,
  server: Upstream,
  id: number,
  query: Query,
): Promise<Answered | undefined> => {
  const socket = await net.openUdp(server).catch(() => undefined)
  if (socket === undefined) return undefined
  try {
    return await new Promise(resolve => {
      const cancel = timers.after(patienceMillis, () => resolve(undefined))
      socket.onMessage(bytes => {
        const answer = read(bytes, id, query)
        // Whatever else comes may be forged: the right one may still come.
        if (answer === undefined) return
        cancel()
        resolve(answer)
      })
      socket.send(writeQuestion(id, query))
    })
  } finally {
    socket.close()
  }
}

const byTcp = async (
  { net, timers }: Needed,
  server: Upstream,
  id: number,
  query: Query,
): Promise<Answered | undefined> => {
  let connection: Connection | undefined
  try {
    return await new Promise<Answered | undefined>(resolve => {
      let isOver = false
      const end = (answer: Answered | undefined) => {
        isOver = true
        cancel()
        resolve(answer)
      }
      const cancel = timers.after(patienceMillis, () => end(undefined))
      net.connect(server).then(
        open => {
          if (isOver) return open.destroy()
          connection = open
          let got: Uint8Array = new Uint8Array()
          open.onBytes(chunk => {
            got = new Uint8Array(Buffer.concat([got, chunk]))
            const size = got.length < 2 ? undefined : got[0]! * 256 + got[1]!
            if (size !== undefined && got.length >= 2 + size)
              end(read(got.subarray(2, 2 + size), id, query))
            else if (got.length > mostOctets + 2) end(undefined)
          })
          open.onClose(() => end(undefined))
          const question = writeQuestion(id, query)
          open.send(Uint8Array.of(question.length >> 8, question.length & 255, ...question))
        },
        () => end(undefined),
      )
    })
  } finally {
    connection?.destroy()
  }
}
