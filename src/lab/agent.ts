/**
 * Runs inside a host of a lab: opens and serves connections as it is told, a JSON line each way.
 *
 * It serves an echo on any TCP and UDP port that it is told to listen on.
 */

import { execFile } from 'node:child_process'
import { createSocket, type Socket as UdpSocket } from 'node:dgram'
import { connect, createServer, type Socket } from 'node:net'
import { createInterface } from 'node:readline'
import { flowPatienceMillis, flowPort, inTurns } from './flows.js'
import { type NumberedSession, numbered } from './numbered.js'
import type { TryResult } from './stage.js'

interface Command {
  readonly id: number
  readonly verb: 'listen' | 'attempt' | 'ping' | 'open' | 'state' | 'close' | 'heard' | 'flows'
  readonly name?: string
  readonly to?: string
  readonly protocol?: 'tcp' | 'udp' | 'icmp'
  readonly port?: number
  readonly count?: number
  readonly intervalMillis?: number
}

const patienceMillis = 1_500

const sessions = new Map<string, NumberedSession>()

/** Messages that came in, by `PROTOCOL ADDRESS PORT` of their sender. */
const heard = new Map<string, number>()
const hear = (protocol: string, address = '', port = 0): void => {
  const key = `${protocol} ${address.replace(/^::ffff:/, '')} ${port}`
  heard.set(key, (heard.get(key) ?? 0) + 1)
}

const listen = (port: number): Promise<void> =>
  new Promise((resolve, reject) => {
    createServer(socket => {
      socket.on('error', () => socket.destroy())
      socket.on('data', () => hear('tcp', socket.remoteAddress, socket.remotePort))
      socket.pipe(socket)
    })
      .on('error', reject)
      .listen({ port, host: '::', ipv6Only: false }, () => {
        echoUdp('udp4', port)
          .then(() => echoUdp('udp6', port))
          .then(resolve, reject)
      })
  })

const echoUdp = (type: 'udp4' | 'udp6', port: number): Promise<void> =>
  new Promise(resolve => {
    const echo = createSocket({ type, ipv6Only: type === 'udp6' })
    echo.on('message', (message, from) => {
      hear('udp', from.address, from.port)
      echo.send(message, from.port, from.address)
    })
    echo.on('error', () => undefined)
    echo.bind(port, () => resolve())
  })

const attempt = (to: string, protocol: string, port: number): Promise<TryResult> => {
  if (protocol === 'tcp') return attemptTcp(to, port)
  if (protocol === 'udp') return attemptUdp(to, port)
  return ping(to, 1, 1_000).then(({ received, refused }) =>
    received > 0 ? 'open' : refused ? 'refused' : 'silent',
  )
}

const attemptTcp = (to: string, port: number): Promise<TryResult> =>
  new Promise(resolve => {
    const socket = connect({ host: to, port })
    const done = (result: TryResult) => {
      socket.destroy()
      resolve(result)
    }
    socket.setTimeout(patienceMillis, () => done('silent'))
    socket.on('connect', () => socket.write('hello'))
    socket.on('data', () => done('open'))
    socket.on('error', error =>
      done('code' in error && error.code === 'ETIMEDOUT' ? 'silent' : 'refused'),
    )
  })

const attemptUdp = (to: string, port: number): Promise<TryResult> =>
  new Promise(resolve => {
    const socket = createSocket(to.includes(':') ? 'udp6' : 'udp4')
    const timer = setTimeout(() => done('silent'), patienceMillis)
    const done = (result: TryResult) => {
      clearTimeout(timer)
      socket.close()
      resolve(result)
    }
    socket.on('message', () => done('open'))
    socket.on('error', () => done('refused'))
    // Connected, so that the kernel hands ICMP errors to us.
    connectUdp(socket, port, to).then(
      () => socket.send('hello'),
      // No way leads there: nothing was sent, and nothing comes back.
      () => done('silent'),
    )
  })

/** @throws when no way leads there */
const connectUdp = (socket: UdpSocket, port: number, to: string): Promise<void> =>
  new Promise((resolve, reject) => {
    // Node hands the failure to the callback, which its types do not say.
    const done = (error?: unknown) => (error ? reject(error) : resolve())
    socket.connect(port, to, done)
  })

const ping = (
  to: string,
  count: number,
  intervalMillis: number,
): Promise<{ sent: number; received: number; refused: boolean }> =>
  new Promise(resolve => {
    const words = [
      '-n',
      '-q',
      '-c',
      String(count),
      '-i',
      String(intervalMillis / 1000),
      '-W',
      '1',
      to,
    ]
    execFile('ping', words, (_error, stdout) => {
      // Unanswered pings are a result, not a failure.
      const found = /(\d+) packets transmitted, (\d+) received/.exec(stdout)
      const refused = /\+\d+ errors/.test(stdout)
      resolve({ sent: Number(found?.[1] ?? 0), received: Number(found?.[2] ?? 0), refused })
    })
  })

const openTcp = (to: string, port: number, periodMillis?: number): Promise<NumberedSession> =>
  new Promise((resolve, reject) => {
    const socket: Socket = connect({ host: to, port, noDelay: true })
    socket.once('error', reject)
    socket.once('connect', () => {
      socket.off('error', reject)
      let isOpen = true
      socket.on('error', () => {
        isOpen = false
      })
      socket.on('close', () => {
        isOpen = false
      })
      resolve(
        numbered(
          {
            localPort: () => socket.localPort ?? 0,
            send: message => socket.write(message),
            onEcho: take => socket.on('data', chunk => take(chunk.toString())),
            isOpen: () => isOpen,
            end: () => socket.destroy(),
          },
          periodMillis,
        ),
      )
    })
  })

const openUdp = async (
  to: string,
  port: number,
  periodMillis?: number,
): Promise<NumberedSession> => {
  const socket: UdpSocket = createSocket(to.includes(':') ? 'udp6' : 'udp4')
  socket.on('error', () => undefined)
  await connectUdp(socket, port, to)
  const { port: localPort } = socket.address()
  return numbered(
    {
      localPort: () => localPort,
      send: message => socket.send(message, () => undefined),
      onEcho: take => socket.on('message', message => take(message.toString())),
      isOpen: () => true,
      end: () => socket.close(),
    },
    periodMillis,
  )
}

let lastFlowPort = 0

/** So many connections, each from a port of its own; how many were answered. */
const flows = async (
  to: string,
  protocol: Command['protocol'],
  port: number,
  count: number,
): Promise<number> => {
  const one = protocol === 'udp' ? flowOfUdp : flowOfTcp
  let answered = 0
  await inTurns(count, async () => {
    if (await one(to, port, flowPort(++lastFlowPort))) answered++
  })
  return answered
}

const flowOfTcp = async (to: string, port: number, localPort: number): Promise<boolean> => {
  const socket = connect({ host: to, port, localPort, noDelay: true })
  const isAnswered = await new Promise<boolean>(resolve => {
    socket.on('connect', () => socket.write('flow'))
    socket.on('data', () => resolve(true))
    socket.on('error', () => resolve(false))
    socket.setTimeout(flowPatienceMillis, () => resolve(false))
  })
  // Not closed politely: its port is not to be held for a minute.
  socket.resetAndDestroy()
  return isAnswered
}

const flowOfUdp = async (to: string, port: number, localPort: number): Promise<boolean> => {
  const socket = createSocket(to.includes(':') ? 'udp6' : 'udp4')
  const isAnswered = await new Promise<boolean>(resolve => {
    const timer = setTimeout(() => resolve(false), flowPatienceMillis)
    const done = (isGood: boolean) => {
      clearTimeout(timer)
      resolve(isGood)
    }
    socket.on('message', () => done(true))
    socket.on('error', () => done(false))
    socket.bind(localPort, () => socket.send('flow', port, to))
  })
  socket.close()
  return isAnswered
}

const carryOut = async (command: Command): Promise<unknown> => {
  const { verb, name = '', to = '', protocol = 'tcp', port = 0 } = command
  switch (verb) {
    case 'listen':
      return listen(port)
    case 'attempt':
      return attempt(to, protocol, port)
    case 'ping':
      return ping(to, command.count ?? 1, command.intervalMillis ?? 1_000)
    case 'open':
      sessions.set(
        name,
        await (protocol === 'udp' ? openUdp : openTcp)(to, port, command.intervalMillis),
      )
      return
    case 'state':
      return sessions.get(name)?.state()
    case 'flows':
      return flows(to, protocol, port, command.count ?? 1)
    case 'heard':
      return Object.fromEntries(heard)
    case 'close':
      sessions.get(name)?.close()
      sessions.delete(name)
      return
  }
}

const answer = (reply: object): void => {
  process.stdout.write(`${JSON.stringify(reply)}\n`)
}

createInterface({ input: process.stdin })
  .on('line', line => {
    const command = JSON.parse(line) as Command
    carryOut(command).then(
      result => answer({ id: command.id, result }),
      (error: unknown) => answer({ id: command.id, error: String(error) }),
    )
  })
  .on('close', () => process.exit(0))
