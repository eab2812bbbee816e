/** What actions that hold other actions need of those. */
import type { Action } from '../values.js'
import type { Codec } from '../wire/codecs.js'
import type { Reader } from '../wire/reader.js'
import type { Writer } from '../wire/writer.js'

/** Actions up to the end of what holds them; `ct` holds one at a time, of few kinds. */
export interface ActionList extends Codec<readonly Action[]> {
  readInCt(reader: Reader): Action
}

export interface NiciraAction {
  readonly kind: Action['kind']
  /** The numbers it may have on the wire; `write` gives back the one it used. */
  readonly numbers: readonly number[]
  read(reader: Reader, actions: ActionList): Action
  write(writer: Writer, action: Action, actions: ActionList): number
  /** It reads up to its end by itself. */
  readonly isOpenEnded: boolean
}
