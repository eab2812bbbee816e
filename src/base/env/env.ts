/**
 * Every effect the controller has on the world, and every way the world reaches it.
 *
 * Nothing else in `src/` touches the clock, timers, randomness, sockets or the disk (a habit
 * test reads the imports), so the whole controller also runs under a simulated clock and
 * network with a seed. `real-env.ts` is the world; `simulated-env.ts` is the rehearsal.
 */
import type { Log } from '../log/log.js'

export interface Env {
  readonly clock: Clock
  readonly timers: Timers
  readonly random: Random
  readonly net: Net
  readonly disk: Disk
  readonly workers: Workers
  readonly log: Log
}

export interface Clock {
  /** Monotonic milliseconds, fractional. The only time that decisions use. */
  nowMillis(): number
  /** Wall-clock milliseconds since 1970, for people and certificates. */
  wallMillis(): number
}

/** Undoes what returned it; calling it twice is harmless. */
export type Cancel = () => void

export interface Timers {
  after(millis: number, run: () => void): Cancel
  every(millis: number, run: () => void): Cancel
  /** After the I/O that is waiting now: gives other peers their turn. */
  soon(run: () => void): Cancel
}

export interface Random {
  bytes(size: number): Uint8Array
  /** A whole number, 0 to 2^32 - 1. */
  uint32(): number
}

export type Address =
  | { readonly host: string; readonly port: number; readonly tls?: TlsOptions }
  | { readonly path: string }

export interface TlsOptions {
  readonly key: string
  readonly certificate: string
  readonly authority: string
  /** The name a server's certificate must carry; absent: any name of our authority. */
  readonly serverName?: string
}

export interface Net {
  /**
   * @param onRefused is told of connections that do not get through their TLS handshake: too late, too many, or with a
   *   certificate that is not believed
   * @throws when the address cannot be bound
   */
  listen(
    at: Address,
    onConnection: (connection: Connection) => void,
    onRefused?: (remote: string, reason: string) => void,
  ): Promise<Listener>
  /** Sockets and files that the process may have open. */
  readonly maxDescriptors: number
  connect(to: Address): Promise<Connection>
  /**
   * A socket for datagrams with one peer, from a port that the kernel chooses at random; what others send is not heard.
   *
   * @throws when there is no way to it
   */
  openUdp(to: { readonly host: string; readonly port: number }): Promise<UdpSocket>
}

/** Handlers are set once, before the first turn of the loop. Errors of the network are silence. */
export interface UdpSocket {
  send(bytes: Uint8Array): void
  onMessage(handler: (bytes: Uint8Array) => void): void
  close(): void
}

export interface Listener {
  /** Where it listens, with the port that was chosen when 0 was asked for. */
  readonly address: Address
  /** Puts new TLS material to use for connections from now on. */
  reload(tls: TlsOptions): void
  close(): Promise<void>
}

/** A stream of bytes in both directions. Handlers are set once, before the first turn of the loop. */
export interface Connection {
  /** The other end, as people write it: `127.0.0.1:50312` or a socket's path. */
  readonly remote: string
  /** The subject name of the peer's certificate, on TLS. */
  readonly peerName: string | undefined
  /** Octets handed to `send` that the kernel has not taken yet. */
  readonly unsentSize: number
  /** The bytes are not copied: do not change them afterwards. */
  send(bytes: Uint8Array): void
  onBytes(handler: (chunk: Uint8Array) => void): void
  /** Called once; `error` is absent when the peer closed in good order. */
  onClose(handler: (error: Error | undefined) => void): void
  /** Called each time the kernel has taken everything after `send` had to queue. */
  onDrain(handler: () => void): void
  pause(): void
  resume(): void
  /** Sends what is queued, then closes. */
  end(): void
  /** Closes at once. */
  destroy(): void
}

export interface Disk {
  readText(path: string): Promise<string>
  /** At most `size` octets of a file, from an offset on; fewer when it ends before. */
  readBytes(path: string, offset: number, size: number): Promise<Uint8Array>
  /** Writes a whole file by way of a new one and a rename, so a reader sees the old or the new. */
  writeText(path: string, text: string, mode?: number): Promise<void>
  /** Names in a folder, sorted. */
  list(path: string): Promise<string[]>
  /** What is there, or undefined. */
  stat(path: string): Promise<FileStat | undefined>
  /** Where a path leads through all links; undefined when nothing is there. */
  realPath(path: string): Promise<string | undefined>
  makeFolder(path: string, mode?: number): Promise<void>
  remove(path: string): Promise<void>
  /** Puts a file in the place of another, at once; whether it is still so after a crash says `syncFolder`. */
  replace(from: string, to: string): Promise<void>
  /** Resolves when it is on disk which files a folder has. */
  syncFolder(path: string): Promise<void>
  /** Opens a file to be written piece by piece, making it when there is none. */
  openJournal(path: string, mode: number): Promise<JournalFile>
  /**
   * A lock of the kernel on a file, which ends with the process that has it, however that ends.
   *
   * @returns the lock; or who has it: a process id where that means something here
   * @throws when the file cannot be opened, or nothing here can lock it
   */
  lock(path: string): Promise<FolderLock | { readonly owner: number | undefined }>
  /** Tells that something under `path` (a file or a folder) may have changed, where the system can tell that. */
  watch(path: string, changed: () => void): Cancel
}

export interface JournalFile {
  /** Writes octets at an offset; they may still be in memory of the system. */
  write(bytes: Uint8Array, offset: number): Promise<void>
  /** Resolves when everything that was written is on disk. */
  sync(): Promise<void>
  truncate(size: number): Promise<void>
  /** Whether a path leads to it: a file that was removed or replaced takes writes all the same. */
  isAt(path: string): Promise<boolean>
  close(): Promise<void>
}

export interface FolderLock {
  /** False when it was lost, such as when a helper that holds it was killed. */
  isHeld(): boolean
  release(): Promise<void>
}

export interface WorkBounds {
  readonly seconds: number
  readonly memoryMib: number
}

/** Where pure work runs that takes longer than others can wait. */
export interface Workers {
  /**
   * Runs the function `work` that a module exports, elsewhere.
   *
   * @param module its address, as `import.meta.url` has it
   * @param input what can be copied (the structured clone algorithm of the HTML standard), as can what comes back
   * @throws {Failure} what `work` throws; `too-much-work` beyond the bounds
   */
  run(module: string, input: unknown, bounds: WorkBounds): Promise<unknown>
}

export interface FileStat {
  readonly isFolder: boolean
  readonly size: number
  readonly mode: number
  readonly changedMillis: number
  /** Another file in the same place has another one. */
  readonly id: string
}
