/**
 * Rule files that ask for too much: those that stopped a controller once, and any construct of the language grown by
 * doubling. Each takes a size and gives a text; what a size means is the construct's own.
 */
import { seeded } from './rules.js'

export type Grow = (size: number) => string

const times = (size: number, one: (at: number) => string): string =>
  Array.from({ length: size }, (_, at) => one(at)).join('')

const v4 = (at: number): string => `10.${(at >> 15) & 255}.${(at >> 7) & 255}.${(2 * at) & 255}`

const list = (size: number, one: (at: number) => string, between = ', '): string =>
  Array.from({ length: size }, (_, at) => one(at)).join(between)

/** By what grows. */
export const growing: Readonly<Record<string, Grow>> = {
  'members of a zone': size => `zone a = ${list(size, v4)}\nallow tcp 80 from a\n`,
  'members over lines': size => `zone a = ${list(size, v4, ',\n')}\n`,
  'commas at the ends of lines': size => `zone a = 10.0.0.1${',\n'.repeat(size)}`,
  commas: size => `zone a = 10.0.0.1${','.repeat(size)}\n`,
  'members less members': size =>
    `zone a = 10.0.0.0/8 except ${list(size, v4)}\nallow tcp 80 from a\n`,
  'many less many': size =>
    `zone a = ${list(size, v4)} except ${list(size, v4)}\nallow any from a\n`,
  'ranges of IPv6': size =>
    `zone a = ${list(size, at => `2001:db8:${at.toString(16)}::1-2001:db8:${at.toString(16)}:ffff:ffff:ffff:ffff:fffe`)}\nallow any from a\n`,
  'a variable that doubles': size =>
    `let a0 = 10.0.0.1\n${times(size, at => `let a${at + 1} = $a${at}, $a${at}\n`)}`,
  'a chain of variables': size =>
    `let a0 = 10.0.0.1\n${times(size, at => `let a${at + 1} = $a${at}\n`)}`,
  'a chain of variables that grows': size =>
    `let a0 = 10.0.0.1\n${times(size, at => `let a${at + 1} = $a${at}, 10.0.0.2\n`)}`,
  'variables in rules': size =>
    `let a = ${list(Math.ceil(size / 8), v4)}\n${times(size, () => 'allow tcp 80 from $a\n')}`,
  'variables in zones': size =>
    `let a = ${list(Math.ceil(size / 8), v4)}\n${times(size, at => `zone z${at} = $a\n`)}`,
  'zones in the right order': size =>
    `zone z0 = 10.0.0.1\n${times(size, at => `zone z${at + 1} = z${at}\n`)}`,
  'zones in the wrong order': size =>
    `${times(size, at => `zone z${size - at} = z${size - at - 1}\n`)}zone z0 = 10.0.0.1\n`,
  'zones in a circle': size =>
    `${times(size, at => `zone z${at} = z${(at + 1) % size}\n`)}allow any from z0\n`,
  'zones that grow': size =>
    `zone z0 = 10.0.0.1\n${times(size, at => `zone z${at + 1} = z${at}, ${v4(at + 1)}\n`)}`,
  'a zone in many zones': size =>
    `zone a = ${list(size, v4)}\n${times(size, at => `zone b${at} = a, 192.168.0.1\n`)}`,
  'services that grow': size =>
    `service s0 = tcp 1\n${times(size, at => `service s${at + 1} = s${at}, tcp 1 source ${1 + (at % 65_000)}\n`)}`,
  'services in the wrong order': size =>
    `${times(size, at => `service s${size - at} = s${size - at - 1}\n`)}service s0 = tcp 1\n`,
  ports: size => `allow tcp ${list(size, at => String(1 + ((2 * at) % 65_534)), ' ')}\n`,
  'ports behind commas': size => `allow tcp ${list(size, at => String(1 + ((2 * at) % 65_534)))}\n`,
  'rules of many ports': size =>
    times(size, at => `allow tcp ${list(200, each => String(1 + 300 * each + (at % 299)), ' ')}\n`),
  'ports of both sides': size =>
    times(
      size,
      at =>
        `allow tcp ${list(30, each => String(1 + 900 * each + at), ' ')} source ${list(30, each => String(1 + 800 * each + at), ' ')}\n`,
    ),
  'lines that are no rules': size => times(size, at => `this is no rule ${at}\n`),
  'names that are not defined': size =>
    times(size, at => `zone known${at} = 10.0.0.1\nallow any from unknown${at}\n`),
  'empty lines': size => '\n'.repeat(size),
  comments: size => '# a comment\n'.repeat(size),
  'a long comment': size => `# ${'x'.repeat(size)}\n`,
  'a long name': size => `zone ${'x'.repeat(size)} = 10.0.0.1\n`,
  'a long word': size => `allow ${'x'.repeat(size)}\n`,
  'a long number': size => `allow tcp ${'9'.repeat(size)}\n`,
  'a long address': size => `allow any from ${'1:'.repeat(size)}\n`,
  'a text without an end': size => `allow any log "${'x'.repeat(size)}\n`,
  'texts without an end': size => 'allow any log "x\n'.repeat(size),
  'rules of one text': size => 'allow tcp 80 from 10.0.0.1\n'.repeat(size),
  'rules of one name': size => 'a: allow tcp 80 from 10.0.0.1\n'.repeat(size),
  'rules of many members': size =>
    times(
      Math.ceil(size / 32),
      () => `allow tcp 80 from ${list(size, v4)} to ${list(size, at => v4(at + 40_000))}\n`,
    ),
  'defaults of pairs': size => times(size, at => `default drop from ${v4(at)} to 10.0.0.1\n`),
  defaults: size => 'default drop\n'.repeat(size),
  schedules: size =>
    times(
      size,
      at =>
        `allow tcp ${1 + (at % 65_535)} schedule mon-fri 08:${String(at % 60).padStart(2, '0')}-${String(9 + (Math.floor(at / 60) % 14)).padStart(2, '0')}:00\n`,
    ),
  dates: size => times(size, at => `allow tcp ${1 + (at % 65_535)} until 2031-01-31\n`),
  'stateless below what shuts': size =>
    `${times(size, at => `drop tcp 80 from ${v4(at)}\n`)}${times(size, at => `allow-stateless udp 80 from ${v4(at)}\n`)}`,
  audits: size => times(size, at => `audit drop tcp ${1 + (at % 65_535)}\n`),
  tiers: size => 'tier main\n'.repeat(size),
  tests: size =>
    `allow tcp 80\n${times(size, at => `test "t" 10.0.0.1 -> 10.0.0.2 tcp ${1 + (at % 65_535)} allow\n`)}`,
  'rules that overlap': size =>
    times(
      size,
      at =>
        `${at % 2 ? 'drop' : 'allow'} tcp ${at % 50}-${30_000 + (at % 50)} from 10.0.0.0/${8 + (at % 20)} to 10.${at % 4}.0.0/16\n`,
    ),
  'boxes that overlap': size =>
    times(
      size,
      at =>
        `${at % 2 ? 'drop' : 'allow'} tcp ${1 + (at % 9)} from ${list(19, each => `10.0.${(each * 7 + at) % 256}.0/28`)} to ${list(19, each => `10.1.${(each * 5 + at) % 256}.0/28`)}\n`,
    ),
  'tiers of boxes': size =>
    ['admin', 'main', 'application', 'baseline']
      .map(
        tier =>
          `tier ${tier}\n${times(Math.ceil(size / 4), at => `${tier === 'baseline' ? 'drop' : 'pass'} tcp from ${list(15, each => `10.0.${(each * 7 + at) % 256}.0/28`)} to ${list(15, each => `10.1.${(each * 5 + at) % 256}.0/28`)}\n`)}`,
      )
      .join(''),
  'versions of IP': size =>
    times(size, at => `allow tcp 80 from ${v4(at)} to 2001:db8::${(at % 65_535).toString(16)}\n`),
}

/** Those of the reports, in their sizes. */
export const reported: Readonly<Record<string, string>> = {
  'doubling variables': growing['a variable that doubles']!(24),
  'ten thousand variables': growing['a chain of variables']!(10_000),
  'twenty thousand commas': growing['commas at the ends of lines']!(20_000),
  'a hundred thousand lines that are no rules': growing['lines that are no rules']!(100_000),
  '200 rules of 500 x 500 members': `default drop\n${times(200, rule => `allow tcp ${rule} from ${list(500, v4)} to ${list(500, at => v4(at + 40_000))}\n`)}`,
  'a hundred thousand rules': `default drop\n${times(100_000, at => `allow tcp 80 from ${v4(at)}\n`)}`,
  'zones twenty thousand deep': growing['zones in the wrong order']!(20_000),
  'an include of a word that objects have': 'include "constructor"\n',
  'words that objects have':
    'allow constructor\nallow icmp constructor\nallow proto toString\nallow tcp 80 log 5/valueOf\nallow tcp 80 limit 5/constructor\n',
}

/** Two constructs in one file, a part of each: what is harmless alone may not be together. */
export const mixed = (seed: number): readonly [name: string, grow: Grow] => {
  const dice = seeded(seed)
  const names = Object.keys(growing)
  const [a, b] = [names[dice(names.length)]!, names[dice(names.length)]!]
  return [`${a}, and ${b}`, size => growing[a]!(size) + growing[b]!(Math.ceil(size / 2))]
}
