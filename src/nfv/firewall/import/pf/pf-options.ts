/** What stands behind the addresses of a rule of pf.conf(5): types of ICMP, flags, states, translation. */
import type { Range } from '../../meaning/address-set.js'
import { icmpOf, NotUnderstood } from '../condition.js'
import type { PfReader } from './pf-reader.js'

export interface PfOptions {
  readonly icmp: readonly { readonly version: 4 | 6; readonly types: readonly Range<number>[] }[]
  readonly unsaid: readonly string[]
  readonly never?: string | undefined
  readonly receivedOn?: string | undefined
  /** `source`: senders get other addresses; `other`: it goes elsewhere, or to a program. */
  readonly translation?: 'source' | 'other' | undefined
  readonly label?: string | undefined
}

// biome-ignore format: a table
const names4: Readonly<Record<string, string>> = {
  echorep: '0', unreach: '3', squench: '4', redir: '5', althost: '6', echoreq: '8', routeradv: '9', routersol: '10', timex: '11', paramprob: '12',
  timereq: '13', timerep: '14', inforeq: '15', inforep: '16', maskreq: '17', maskrep: '18', trace: '30',
}
// biome-ignore format: a table
const names6: Readonly<Record<string, string>> = {
  unreach: '1', toobig: '2', timex: '3', paramprob: '4', echoreq: '128', echorep: '129', groupqry: '130', listqry: '130', grouprep: '131', listenrep: '131',
  groupterm: '132', listendone: '132', routersol: '133', routeradv: '134', neighbrsol: '135', neighbradv: '136', redir: '137', routrrenum: '138',
  fqdnreq: '139', niqry: '139', wrureq: '139', fqdnrep: '140', niqrep: '140', wrurep: '140', mtraceresp: '200', mtrace: '201',
}

/** Types by the names of pf.conf(5) and icmp(4). */
export const icmpNames = (version: 4 | 6): Readonly<Record<string, string>> =>
  version === 4 ? names4 : names6

/** Words that change nothing here, with the number of their values. */
const ignored: Readonly<Record<string, number>> = {
  'allow-opts': 0,
  once: 0,
  'static-port': 0,
  random: 0,
  'round-robin': 0,
  'source-hash': 0,
  'sticky-address': 0,
  'least-states': 0,
  bitmask: 0,
  tag: 1,
  rtable: 1,
  ridentifier: 1,
  prio: 1,
}

/** Takes all there is up to the end of the rule. @param isThrough of what passes, not of a host. @throws {NotUnderstood} */
export const takeOptions = (
  reader: PfReader,
  rule: 'block' | 'pass' | 'match' | 'anchor',
  isThrough: boolean,
): PfOptions => {
  const icmp: PfOptions['icmp'][number][] = []
  const unsaid: string[] = []
  let never: string | undefined
  let receivedOn: string | undefined
  let translation: PfOptions['translation']
  let label: string | undefined
  while (!reader.isAtLineEnd && reader.next !== '{') {
    const word = reader.take()
    const values = Object.hasOwn(ignored, word) ? ignored[word] : undefined
    if (values !== undefined) {
      for (let count = 0; count < values; count++) reader.take()
      reader.bracket()
      continue
    }
    if (word === 'binat-to') reader.fail('addresses that are translated both ways cannot be said')
    switch (word) {
      case 'icmp-type':
        icmp.push({ version: 4, types: reader.list(() => takeType(reader, 4)).flat() })
        break
      case 'icmp6-type':
        icmp.push({ version: 6, types: reader.list(() => takeType(reader, 6)).flat() })
        break
      case 'flags':
        if (!opens(reader.take())) never = 'a packet that opens a connection has other flags'
        break
      case 'keep':
      case 'modulate':
      case 'synproxy':
      case 'no': {
        reader.skip('state')
        const limits = reader.bracket().filter(each => /^(max|overload)/.test(each))
        if (limits.length > 0 && rule === 'pass') unsaid.push(limits.join(', '))
        break
      }
      case 'label':
        label = reader.take()
        break
      case 'set':
        skipValues(reader)
        break
      case 'queue':
        if (reader.next === '(') reader.bracket()
        else reader.take()
        break
      case 'route-to':
      case 'reply-to':
      case 'dup-to':
        skipPool(reader)
        break
      case 'nat-to':
        skipPool(reader)
        translation ??= 'source'
        break
      case 'scrub':
        reader.bracket()
        break
      case 'rdr-to':
      case 'af-to':
      case 'divert-to':
      case 'divert-packet':
      case 'divert-reply':
      case 'dnpipe':
      case 'dnqueue':
        translation = word.startsWith('dn') ? translation : 'other'
        while (!reader.isAtLineEnd && !isOption(reader.next)) reader.take()
        break
      case 'fragment':
        never = 'datagrams in pieces are put together before rules are asked'
        break
      case 'received-on':
        receivedOn = reader.take()
        break
      case 'user':
      case 'group': {
        const who = reader.list(() => reader.take())
        const isPlain = who.every(name => /^\w+$/.test(name) && name !== 'unknown')
        if (isPlain && isThrough) never = 'what passes through is of no user'
        else {
          while (!reader.isAtLineEnd && reader.next !== '{' && !isOption(reader.next))
            who.push(reader.take())
          unsaid.push(`${word} ${who.join(' ')}`)
        }
        break
      }
      case 'tagged':
      case 'tos':
      case 'probability':
      case 'max-pkt-rate':
      case '!': {
        const words: string[] = [word]
        if (reader.next === '{') words.push(...reader.list(() => reader.take()))
        while (!reader.isAtLineEnd && reader.next !== '{' && !isOption(reader.next))
          words.push(reader.take())
        unsaid.push(words.join(' '))
        break
      }
      default:
        throw new NotUnderstood(`"${word}" is not understood here`)
    }
  }
  return { icmp, unsaid, never, receivedOn, translation, label }
}

const optionWords = new Set([
  ...Object.keys(ignored),
  ...'icmp-type icmp6-type flags keep modulate synproxy no label set queue route-to reply-to dup-to nat-to rdr-to binat-to af-to divert-to divert-packet divert-reply scrub fragment received-on tagged tos probability max-pkt-rate user group'.split(
    ' ',
  ),
])
const isOption = (word: string): boolean => optionWords.has(word)

/** `(em0 10.0.0.1)`, `em0`, `{ a, b }`, `10.0.0.1@em0`, with what stands behind it. */
const skipPool = (reader: PfReader): void => {
  if (reader.next === '(') reader.bracket()
  else reader.list(() => (reader.next === '(' ? reader.bracket().join(' ') : reader.take()))
  while (reader.skip('port')) reader.take()
}

/** `route-to (em0 10.0.0.1) round-robin`, before the addresses as FreeBSD has it: the packet goes another way to where it goes. */
export const skipRoutes = (reader: PfReader): void => {
  while (reader.skip('route-to', 'reply-to', 'dup-to')) {
    skipPool(reader)
    while (reader.skip(...poolTypes)) reader.skip('random')
  }
}

const poolTypes = [
  'round-robin',
  'random',
  'source-hash',
  'bitmask',
  'sticky-address',
  'least-states',
]

/** `set prio 5`, `set (prio 5, tos 4)`. */
const skipValues = (reader: PfReader): void => {
  if (reader.next === '(') {
    reader.bracket()
    return
  }
  const word = reader.take()
  if (word !== 'nodf') reader.list(() => reader.take())
  reader.bracket()
}

/** A packet that opens a connection has SYN alone. */
const opens = (text: string): boolean => {
  if (text === 'any') return true
  const [wanted = '', mask = ''] = text.split('/')
  if (!/^[FSRPAUEW]*$/.test(wanted) || !/^[FSRPAUEW]*$/.test(mask))
    throw new NotUnderstood(`"${text}" are no flags`)
  return [...mask].every(flag => wanted.includes(flag) === (flag === 'S'))
}

const takeType = (reader: PfReader, version: 4 | 6): readonly Range<number>[] => {
  const word = reader.take()
  const names = icmpNames(version)
  const type = Object.hasOwn(names, word) ? names[word]! : word
  if (!reader.skip('code')) return icmpOf(version, type)
  const code = reader.take()
  if (!/^\d+$/.test(code)) throw new NotUnderstood(`"${code}" is no code of ICMP`)
  return icmpOf(version, `${type}/${code}`)
}
