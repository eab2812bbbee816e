/** The world as it is: the only file of `src/` that touches the clock, timers, randomness, sockets and disk. */
import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { createSocket } from 'node:dgram'
import {
  constants,
  type FSWatcher,
  fstatSync,
  openSync,
  readFileSync,
  watch as watchFile,
  write as writeFd,
} from 'node:fs'
import {
  mkdir,
  open,
  readdir,
  readFile,
  readlink,
  realpath,
  rename,
  rm,
  stat,
  writeFile,
} from 'node:fs/promises'
import * as net from 'node:net'
import { dirname } from 'node:path'
import * as tls from 'node:tls'
import { Handshakes } from '../handshakes.js'
import type { Log } from '../log/log.js'
import type {
  Address,
  Cancel,
  Clock,
  Connection,
  Disk,
  Env,
  FolderLock,
  JournalFile,
  Listener,
  Net,
  Random,
  Timers,
  TlsOptions,
  UdpSocket,
} from './env.js'
import { realWorkers } from './real-workers.js'

export const realEnv = (log: Log): Env => ({
  clock,
  timers,
  random,
  net: realNet,
  disk,
  workers: realWorkers(timers),
  log,
})

const clock: Clock = {
  nowMillis: () => performance.now(),
  wallMillis: () => Date.now(),
}

const timers: Timers = {
  after(millis, run) {
    const timer = setTimeout(run, millis)
    return () => clearTimeout(timer)
  },
  every(millis, run) {
    const timer = setInterval(run, millis)
    return () => clearInterval(timer)
  },
  soon(run) {
    const immediate = setImmediate(run)
    return () => clearImmediate(immediate)
  },
}

const random: Random = {
  bytes: size => randomBytes(size),
  uint32: () => randomBytes(4).readUInt32BE(0),
}

class SocketConnection implements Connection {
  readonly remote: string
  readonly #socket: net.Socket
  #error: Error | undefined

  constructor(socket: net.Socket, remote: string) {
    this.#socket = socket
    this.remote = remote
    socket.setNoDelay(true)
    socket.on('error', error => {
      this.#error = error
    })
  }
  get peerName(): string | undefined {
    if (!(this.#socket instanceof tls.TLSSocket)) return undefined
    const name = this.#socket.getPeerCertificate().subject?.CN
    return Array.isArray(name) ? name[0] : name
  }
  get unsentSize(): number {
    return this.#socket.writableLength
  }
  send(bytes: Uint8Array): void {
    if (this.#socket.writable) this.#socket.write(bytes)
  }
  onBytes(handler: (chunk: Uint8Array) => void): void {
    this.#socket.on('data', handler)
  }
  onClose(handler: (error: Error | undefined) => void): void {
    this.#socket.on('close', () => handler(this.#error))
  }
  onDrain(handler: () => void): void {
    this.#socket.on('drain', handler)
  }
  pause(): void {
    this.#socket.pause()
  }
  resume(): void {
    this.#socket.resume()
  }
  end(): void {
    this.#socket.end()
  }
  destroy(): void {
    this.#socket.destroy()
  }
}

const secureOptions = (options: TlsOptions) => ({
  key: options.key,
  cert: options.certificate,
  ca: options.authority,
  minVersion: 'TLSv1.2' as const,
})

/** Connections that may wait to be accepted: with fewer, callers who come all at once are lost and try again after seconds. */
const backlog = 4_096

/** What the kernel lets this process open; where it does not say, what is usual. */
const descriptorLimit = (): number => {
  try {
    const [, limit = ''] =
      /^Max open files +(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8')) ?? []
    return limit === '' ? usualDescriptors : Number(limit)
  } catch {
    // No Linux: the usual limit is a safe guess.
    return usualDescriptors
  }
}
const usualDescriptors = 1_024

const maxDescriptors = descriptorLimit()

/** Whoever has not finished by then is cut off; so is the oldest when so many wait. */
const handshakeLimits = {
  deadlineMillis: 5_000,
  maxWaiting: Math.min(2_048, Math.floor(maxDescriptors / 4)),
}

const remoteOf = (socket: net.Socket): string =>
  socket.remoteAddress?.includes(':')
    ? `[${socket.remoteAddress}]:${socket.remotePort}`
    : `${socket.remoteAddress}:${socket.remotePort}`

/**
 * Lets everybody in before anybody is listened to. A turn of the loop accepts one connection; were those
 * that are in already served in the same turns, a thousand callers at once would wait for seconds.
 */
class Arrivals {
  #waiting: net.Socket[] = []
  #hasNew = false
  #sinceMillis = 0

  add(socket: net.Socket): void {
    if (this.#waiting.length === 0) {
      this.#sinceMillis = performance.now()
      setImmediate(() => this.#turn())
    }
    this.#waiting.push(socket)
    this.#hasNew = true
  }

  #turn(): void {
    const isLate = performance.now() - this.#sinceMillis > longestArrivalMillis
    if (this.#hasNew && !isLate) {
      this.#hasNew = false
      setImmediate(() => this.#turn())
      return
    }
    this.#hasNew = false
    for (const socket of this.#waiting.splice(0)) socket.resume()
  }
}

/** However many keep coming, nobody waits longer than this to be heard. */
const longestArrivalMillis = 250

const realNet: Net = {
  maxDescriptors,
  async listen(at, onConnection, onRefused = () => undefined): Promise<Listener> {
    const handshakes = new Handshakes(timers, handshakeLimits, onRefused)
    const accept = (socket: net.Socket) => {
      const remote = 'path' in at ? at.path : remoteOf(socket)
      handshakes.ended(remote)
      onConnection(new SocketConnection(socket, remote))
    }
    const arrivals = new Arrivals()
    const secure = 'port' in at ? at.tls : undefined
    const server = secure
      ? tls.createServer(
          {
            ...secureOptions(secure),
            requestCert: true,
            rejectUnauthorized: true,
            // The deadline is ours, below: Node would tell of it, and leave the connection open.
            handshakeTimeout: 2 * handshakeLimits.deadlineMillis,
          },
          accept,
        )
      : net.createServer({ pauseOnConnect: true }, socket => {
          accept(socket)
          arrivals.add(socket)
        })
    const open = new Set<net.Socket>()
    server.on('connection', (socket: net.Socket) => {
      open.add(socket)
      const remote = remoteOf(socket)
      if (secure) handshakes.began(remote, socket)
      socket.on('close', () => {
        open.delete(socket)
        handshakes.closed(
          remote,
          'it ended in its TLS handshake, or its certificate is not one of our authority',
        )
      })
    })
    server.on('tlsClientError', (_: Error, socket: tls.TLSSocket) => socket.destroy())
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen(
        { ...('path' in at ? { path: at.path } : { host: at.host, port: at.port }), backlog },
        resolve,
      )
    })
    // Accepting may fail for a moment, when files are short: whoever calls tries again.
    server.on('error', () => undefined)
    const bound = server.address()
    const address: Address =
      bound !== null && typeof bound === 'object' ? { host: bound.address, port: bound.port } : at
    return {
      address,
      reload(options) {
        if (server instanceof tls.Server) server.setSecureContext(secureOptions(options))
      },
      close: () =>
        new Promise(resolve => {
          server.close(() => resolve())
          for (const socket of open) socket.destroy()
        }),
    }
  },
  openUdp: to => openUdp(to),
  connect(to) {
    const secure = 'port' in to ? to.tls : undefined
    const target = 'path' in to ? { path: to.path } : { host: to.host, port: to.port }
    const remote = 'path' in to ? to.path : `${to.host}:${to.port}`
    return new Promise((resolve, reject) => {
      const socket: net.Socket = secure
        ? tls.connect({
            ...target,
            ...secureOptions(secure),
            ...(secure.serverName === undefined
              ? { checkServerIdentity: () => undefined }
              : { servername: secure.serverName }),
          })
        : net.connect(target)
      socket.once('error', reject)
      socket.once(secure ? 'secureConnect' : 'connect', () => {
        socket.off('error', reject)
        resolve(new SocketConnection(socket, remote))
      })
    })
  },
}

/** Linux chooses the port at random when a socket is connected. */
const openUdp: Net['openUdp'] = to => {
  const socket = createSocket(to.host.includes(':') ? 'udp6' : 'udp4')
  let isClosed = false
  return new Promise<UdpSocket>((resolve, reject) => {
    socket.once('error', reject)
    socket.connect(to.port, to.host, () => {
      socket.off('error', reject)
      // Nobody listens there, or the way is gone: whoever waits has a time for that.
      socket.on('error', () => undefined)
      resolve({
        send: bytes => {
          if (!isClosed) socket.send(bytes, () => undefined)
        },
        onMessage: handler => void socket.on('message', handler),
        close: () => {
          if (!isClosed) socket.close()
          isClosed = true
        },
      })
    })
  })
}

const disk: Disk = {
  readText: path => readFile(path, 'utf8'),
  async readBytes(path, offset, size) {
    const file = await open(path, 'r')
    try {
      const bytes = new Uint8Array(size)
      let at = 0
      // One read gives at most 2 GiB, and may give less.
      while (at < size) {
        const { bytesRead } = await file.read(bytes, at, Math.min(size - at, 2 ** 30), offset + at)
        if (bytesRead === 0) break
        at += bytesRead
      }
      return bytes.subarray(0, at)
    } finally {
      await file.close()
    }
  },
  async writeText(path, text, mode = 0o644) {
    const next = `${path}.${process.pid}.new`
    const file = await open(next, 'w', mode)
    try {
      await file.writeFile(text)
      await file.sync()
      await file.chmod(mode)
      await rename(next, path)
    } catch (error) {
      await rm(next, { force: true }).catch(() => undefined)
      throw error
    } finally {
      await file.close()
    }
  },
  async list(path) {
    return (await readdir(path)).sort()
  },
  async stat(path) {
    try {
      const found = await stat(path)
      return {
        isFolder: found.isDirectory(),
        size: found.size,
        mode: found.mode & 0o777,
        changedMillis: found.mtimeMs,
        id: `${found.dev}:${found.ino}`,
      }
    } catch (error) {
      if (isMissing(error)) return undefined
      throw error
    }
  },
  async realPath(path) {
    try {
      return await realpath(path)
    } catch (error) {
      if (isMissing(error)) return undefined
      throw error
    }
  },
  async makeFolder(path, mode = 0o755) {
    await mkdir(path, { recursive: true, mode })
  },
  async remove(path) {
    await rm(path, { recursive: true, force: true })
  },
  async replace(from, to) {
    await rename(from, to)
  },
  async syncFolder(path) {
    const folder = await open(path, 'r')
    try {
      await folder.sync()
    } finally {
      await folder.close()
    }
  },
  async openJournal(path, mode): Promise<JournalFile> {
    const file = await open(path, constants.O_RDWR | constants.O_CREAT, mode)
    return {
      async write(bytes, offset) {
        for (let at = 0; at < bytes.length; ) {
          const { bytesWritten } = await file.write(bytes, at, bytes.length - at, offset + at)
          at += bytesWritten
        }
      },
      sync: () => file.datasync(),
      truncate: size => file.truncate(size),
      async isAt(path) {
        try {
          const [own, there] = await Promise.all([file.stat(), stat(path)])
          return own.ino === there.ino && own.dev === there.dev
        } catch (error) {
          if (isMissing(error)) return false
          throw error
        }
      },
      close: () => file.close(),
    }
  },
  async lock(path) {
    for (let tries = 0; tries < lockTries; tries++) {
      if (tries > 0) await new Promise(resolve => setTimeout(resolve, lockPauseMillis))
      const lock = await lockOnce(path)
      if (lock !== undefined) return lock
    }
    return { owner: await ownerIn(path) }
  },
  watch(path, changed): Cancel {
    const watchers: FSWatcher[] = []
    // Editors replace a file by renaming over it, which ends a watch on the file itself.
    for (const each of [dirname(path), path])
      try {
        watchers.push(watchFile(each, changed))
      } catch {
        // Not there yet, or not to be watched: whoever asked looks now and then by itself.
      }
    for (const watcher of watchers) watcher.on('error', changed)
    return () => {
      for (const watcher of watchers) watcher.close()
    }
  },
}

/** Whoever was killed a moment ago still has its lock until its helper has noticed. */
const lockTries = 15
const lockPauseMillis = 100

/**
 * Node has no flock(2): flock(1) of util-linux takes it, and a shell keeps it until its standard input ends, which
 * the kernel sees to when this process ends. It is in a session of its own, so that Ctrl-C does not end it before us.
 */
const lockOnce = async (path: string): Promise<FolderLock | undefined> => {
  const child = spawn('flock', ['-n', path, 'sh', '-c', 'echo held; exec cat >/dev/null'], {
    detached: true,
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  const ended = new Promise<void>((resolve, reject) => {
    child.once('exit', () => resolve())
    child.once('error', reject)
  })
  // Whoever asked hears of it below, or by `isHeld`.
  ended.catch(() => undefined)
  child.stdin.on('error', () => undefined)
  let complaint = ''
  child.stderr.on('data', chunk => {
    complaint += chunk
  })
  const said = new Promise<void>(resolve => child.stdout.once('data', () => resolve()))
  if ((await Promise.race([said.then(() => true), ended.then(() => false)])) === false) {
    if (complaint.trim() !== '') throw new Error(complaint.trim())
    return undefined
  }
  letGo(child)
  let isHeld = true
  ended.then(() => {
    isHeld = false
  })
  await writeFile(path, `${process.pid} ${await pidNamespace()}\n`).catch(() => {
    // On a full disk nobody can read who has the lock; it is held all the same.
  })
  return {
    isHeld: () => isHeld,
    release: async () => {
      child.ref()
      child.stdin.end()
      await ended
    },
  }
}

/** The loop does not wait for the helper. */
const letGo = (child: ChildProcess): void => {
  child.unref()
  for (const stream of [child.stdin, child.stdout, child.stderr])
    if (stream instanceof net.Socket) stream.unref()
}

/** A process id means nothing in another namespace of them. */
const pidNamespace = (): Promise<string> => readlink('/proc/self/ns/pid').catch(() => 'unknown')

const ownerIn = async (path: string): Promise<number | undefined> => {
  const [pid, namespace] = (await readFile(path, 'utf8')).trim().split(' ')
  const isHere = namespace === (await pidNamespace()) && /^\d+$/.test(pid ?? '')
  return isHere ? Number(pid) : undefined
}

const isMissing = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR')

/** A pipe that nobody reads is tried again so often. */
const pipePauseMillis = 100

/**
 * Standard error, without ever waiting for whoever reads it. A pipe is opened anew for that: the descriptor that is
 * shared with other programs stays as it is, and no thread hangs in a write when the process is to end.
 */
const standardError = (): number => {
  try {
    if (fstatSync(2).isFIFO())
      return openSync('/proc/self/fd/2', constants.O_WRONLY | constants.O_NONBLOCK)
  } catch {
    // There is no /proc, or the pipe is closed: the descriptor itself says what is wrong with it.
  }
  return 2
}

export const writeStandardError = (): ((text: string, done: (error: unknown) => void) => void) => {
  const fd = standardError()
  return (text, done) => {
    const bytes = Buffer.from(text)
    const go = (at: number): void =>
      writeFd(fd, bytes, at, bytes.length - at, null, (error, size) => {
        if (error?.code === 'EAGAIN') setTimeout(() => go(at), pipePauseMillis).unref()
        else if (error) done(error)
        else if (at + size < bytes.length) go(at + size)
        else done(undefined)
      })
    go(0)
  }
}
