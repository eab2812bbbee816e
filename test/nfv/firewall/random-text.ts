/** Rule files that somebody might write: whole sentences of the language, put together at random, with slips of the pen. */
import { type Dice, pick } from './random-policy.js'

const addresses =
  '10.0.0.1 10.0.0.0/8 10.0.0.1-10.0.0.9 0.0.0.0/0 fd00::1 fd00::/8 ::/0 fd00::1-fd00::9 any near far both host|web1 network|ops port|s1:3 port|s1:* mac|02:00:00:00:00:0a mac|00:1b:21:00:00:00/24'.split(
    ' ',
  )
const ports = '80 443 1-1023 1024-65535 0-79 53 21 65535'.split(' ')
const verbs =
  'allow allow allow drop drop reject pass allow-stateless audit|drop audit|reject audit'.split(' ')
const wrong =
  'tcp , = "x" -> : # $calm $none 10.0.0.300 10.0.0.1/33 65536 0 080 mac dscp except from to by at limit log via ids constructor __proto__ 10.0.0.1/8 any-any ß 9/m'.split(
    ' ',
  )

const text = (word: string): string => word.replaceAll('|', ' ')
const often = (dice: Dice, n: number): boolean => dice(n) === 0
const several = (dice: Dice, one: () => string, joiner = ', '): string =>
  Array.from({ length: 1 + (often(dice, 3) ? dice(4) : 0) }, one).join(joiner)

const selection = (dice: Dice): string => {
  const of = () => several(dice, () => text(pick(dice, addresses)))
  return often(dice, 5) ? `${of()} except ${of()}` : of()
}

const service = (dice: Dice): string => {
  const list = () => several(dice, () => pick(dice, ports), pick(dice, [' ', ', ']))
  switch (dice(12)) {
    case 0:
      return 'any'
    case 1:
      return pick(dice, ['web', 'slow', 'mixed'])
    case 2:
      return pick(dice, ['icmp', 'icmp echo-request', 'icmp6 128', 'icmp 3/4', 'icmp redirect'])
    case 3:
      return pick(dice, ['proto gre', 'proto 47', 'proto tcp', 'proto icmp6', 'proto 0'])
    case 4:
      return pick(dice, ['tcp', 'udp', 'sctp', 'tcp+udp', 'tcp 21 helper ftp', 'sctp 80'])
    case 5:
      return `tcp+udp ${list()}`
    case 6:
      return `${pick(dice, ['tcp', 'udp'])} ${pick(dice, ports)} source ${pick(dice, ports)}`
    case 7:
      return `${pick(dice, ['tcp', 'udp', 'tcp+udp'])} ${often(dice, 2) ? `${list()} ` : ''}except ${list()}`
    default:
      return `${pick(dice, ['tcp', 'udp', 'tcp', 'sctp'])} ${list()}`
  }
}

const services = (dice: Dice): string => several(dice, () => service(dice))

const log = (dice: Dice): string =>
  pick(dice, [' log', ' log 10/minute', ' log "a; b"', ' log new 5/h "x"'])

const options = (dice: Dice, isStateless: boolean): string => {
  const found: string[] = []
  const maybe = (words: readonly string[]) => {
    if (often(dice, 8)) found.push(pick(dice, words))
  }
  maybe(['until 2027-01-31', 'until 2020-01-31', 'until 2027-01-31T18:00Z'])
  maybe(['schedule mon-fri 08:00-18:00 Europe/Berlin', 'schedule daily 22:00-04:00'])
  maybe(['limit 10/minute', 'limit $calm', 'limit 10/s per source'])
  maybe(['max 5 connections', 'max 5 half-open per source', 'max 9 connections per source'])
  maybe(['via ids'])
  if (isStateless ? often(dice, 3) : often(dice, 40))
    found.push(pick(dice, ['dscp ef', 'dscp 10, cs0, 63', 'dscp 0']))
  return found.map(each => ` ${each}`).join('') + (often(dice, 5) ? log(dice) : '')
}

const ends = (dice: Dice): string =>
  `${often(dice, 2) ? ` from ${selection(dice)}` : ''}${often(dice, 2) ? ` to ${selection(dice)}` : ''}`

const answer = (dice: Dice): string =>
  often(dice, 20) ? ` with ${pick(dice, ['port-unreachable', 'net-unreachable', 'reset'])}` : ''

const rule = (dice: Dice, at: number): string => {
  const verb = text(pick(dice, verbs))
  const name = often(dice, 2) ? `r${often(dice, 9) ? 1 : at}: ` : ''
  return `${name}${verb} ${services(dice)}${ends(dice)}${answer(dice)}${options(dice, verb === 'allow-stateless')}`
}

const test = (dice: Dice): string => {
  const one = () =>
    pick(dice, ['10.0.0.1', '10.0.0.5', 'fd00::1', 'host web1', 'vlan 7', '8.8.8.8'])
  const when = often(dice, 4)
    ? ` at ${pick(dice, ['2027-03-01T09:00 Europe/Berlin', '2027-06-01T23:10Z'])}`
    : ''
  const by = often(dice, 4) ? ` by ${pick(dice, ['r1', 'default'])}` : ''
  return `test "t" ${one()} -> ${one()} ${pick(dice, ['tcp 80', 'udp 53', 'icmp echo-request', 'proto gre'])}${often(dice, 6) ? ' dscp ef' : ''} ${pick(dice, ['allow', 'drop', 'reject'])}${by}${when}`
}

const statement = (dice: Dice, at: number): string => {
  switch (dice(18)) {
    case 0:
      return `zone z${dice(4)} = ${selection(dice)}`
    case 1:
      return `service s${dice(4)} = ${services(dice)}${often(dice, 3) ? ' timeout 8h' : ''}`
    case 2:
      return `default ${pick(dice, ['allow', 'drop', 'reject'])}${often(dice, 2) ? ends(dice) : ''}${often(dice, 4) ? log(dice) : ''}`
    case 3:
      return `tier ${pick(dice, ['admin', 'main', 'application', 'baseline', 'admin audit'])}`
    case 4:
      return test(dice)
    case 5:
      return pick(dice, ['', '# nothing', 'let calm = 5/minute', 'include "none"', 'file audit'])
    case 6:
      return `section${ends(dice)}${often(dice, 3) ? log(dice) : ''}`
    case 7:
      return pick(dice, ['end', `section from ${selection(dice)}`])
    default:
      return rule(dice, at)
  }
}

/** A slip: a word that is lost, doubled, exchanged, or strange. */
const slip = (dice: Dice, line: string): string => {
  const words = line.split(' ')
  const at = dice(words.length)
  words.splice(at, dice(2), ...(often(dice, 3) ? [] : [pick(dice, wrong)]))
  return words.join(' ')
}

/** @param slips one line in so many has one; 0: none */
export const randomText = (dice: Dice, slips: number): string => {
  const head = [
    'let calm = 10/minute per source',
    'zone near = 10.0.0.0/24, fd00::/64',
    'zone far = 192.168.0.0/16 except 192.168.1.0/24',
    'zone both = near, far except 10.0.0.7',
    'service web = tcp 80, tcp 443',
    'service slow = tcp 22 timeout 8h',
    'service mixed = web, udp 53, icmp echo-request',
  ]
  const body = Array.from({ length: dice(12) }, (_, at) => statement(dice, at))
  return [...head, ...body]
    .map(line => (slips > 0 && often(dice, slips) ? slip(dice, line) : line))
    .join('\n')
    .concat('\n')
}
