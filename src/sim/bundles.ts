/** Bundles of one connection: ONF EXT-230, all or nothing and in order. */
import { bundleFlags, DecodeError, decode, type ReceivedOf, xidOf } from '../openflow/index.js'
import type { Change } from './change.js'
import type { ChangeMessage } from './datapath.js'
import { Refusal } from './refusal.js'

interface Bundle {
  readonly flags: number
  isClosed: boolean
  readonly parts: { readonly message: ChangeMessage; readonly bytes: Uint8Array }[]
}

/** Who tries the messages of a bundle. */
export interface Committer {
  /** @throws {Refusal} and the message changed nothing */
  apply(message: ChangeMessage): Change
  /** One message of the bundle was refused, which undoes it all. */
  refused(error: Refusal, bytes: Uint8Array, xid: number): void
}

/** Open bundles of one connection, as many as Open vSwitch allows for. */
const maxBundles = 64
const knownFlags = bundleFlags.atomic | bundleFlags.ordered

export class Bundles {
  readonly #byId = new Map<number, Bundle>()

  clear(): void {
    this.#byId.clear()
  }

  /**
   * Opens, closes, commits or discards.
   *
   * @throws {Refusal} with an error of type OFPBFC
   */
  control(request: ReceivedOf<'bundle-control'>, committer: Committer): void {
    const { bundleId, flags } = request
    switch (request.control) {
      case 'open-request':
        return this.#open(bundleId, flags)
      case 'close-request':
        return this.#close(bundleId, flags)
      case 'commit-request':
        return this.#commit(bundleId, flags, committer)
      case 'discard-request':
        if (!this.#byId.delete(bundleId)) throw new Refusal('OFPBFC_BAD_ID')
        return
      default:
        throw new Refusal('OFPBFC_BAD_TYPE')
    }
  }

  /**
   * Keeps a message for later. A bundle that was not opened is opened by it.
   *
   * @throws {Refusal} with an error of type OFPBFC, or of the message's own kind
   */
  add({ bundleId, flags, message: bytes, xid }: ReceivedOf<'bundle-add'>): void {
    if (bytes.length < 8) throw new Refusal('OFPBFC_MSG_BAD_LEN')
    if (xidOf(bytes) !== xid) throw new Refusal('OFPBFC_MSG_BAD_XID')
    if (!this.#byId.has(bundleId)) this.#open(bundleId, flags)
    const bundle = this.#byId.get(bundleId)!
    if (bundle.isClosed) {
      this.#byId.delete(bundleId)
      throw new Refusal('OFPBFC_BUNDLE_CLOSED')
    }
    if (bundle.flags !== flags) throw new Refusal('OFPBFC_BAD_FLAGS')
    const message = decodePart(bytes)
    bundle.parts.push({ message, bytes })
  }

  #open(id: number, flags: number): void {
    if (flags & ~knownFlags) throw new Refusal('OFPBFC_BAD_FLAGS')
    if (this.#byId.has(id)) {
      this.#byId.delete(id)
      throw new Refusal('OFPBFC_BAD_ID')
    }
    if (this.#byId.size >= maxBundles) throw new Refusal('OFPBFC_OUT_OF_BUNDLES')
    this.#byId.set(id, { flags, isClosed: false, parts: [] })
  }

  #close(id: number, flags: number): void {
    const bundle = this.#byId.get(id)
    if (bundle === undefined) throw new Refusal('OFPBFC_BAD_ID')
    if (bundle.isClosed || bundle.flags !== flags) {
      this.#byId.delete(id)
      throw new Refusal(bundle.isClosed ? 'OFPBFC_BUNDLE_CLOSED' : 'OFPBFC_BAD_FLAGS')
    }
    bundle.isClosed = true
  }

  #commit(id: number, flags: number, committer: Committer): void {
    const bundle = this.#byId.get(id)
    if (bundle === undefined) throw new Refusal('OFPBFC_BAD_ID')
    this.#byId.delete(id)
    if (bundle.flags !== flags) throw new Refusal('OFPBFC_BAD_FLAGS')
    const changes: Change[] = []
    for (const { message, bytes } of bundle.parts) {
      try {
        changes.push(committer.apply(message))
      } catch (error) {
        for (const change of changes.reverse()) change.takeBack()
        if (!(error instanceof Refusal)) throw error
        committer.refused(error, bytes, message.xid)
        throw new Refusal('OFPBFC_MSG_FAILED')
      }
    }
    for (const change of changes) change.keep()
  }
}

const decodePart = (bytes: Uint8Array): ChangeMessage => {
  const size = (bytes[2]! << 8) | bytes[3]!
  if (size > bytes.length) throw new Refusal('OFPBFC_MSG_BAD_LEN')
  try {
    const message = decode(bytes.subarray(0, size))
    switch (message.kind) {
      case 'flow-mod':
      case 'group-mod':
      case 'port-mod':
      case 'packet-out':
        return message
      default:
        throw new Refusal('OFPBFC_MSG_UNSUP')
    }
  } catch (error) {
    if (error instanceof DecodeError) throw new Refusal(error.answer)
    throw error
  }
}
