/** Points in time as rule files write them (ISO 8601, UTC), and parts of the week. Pure: the clock is an argument. */
import { type Day, days, type Moment, type Schedule } from './rule.js'

const dayMillis = 24 * 3600_000

/** Milliseconds since 1970 of a day's begin, by the proleptic Gregorian calendar; undefined when there is no such day. */
const dayStart = (year: number, month: number, day: number): number | undefined => {
  const isLeap = (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0
  const lengths = [31, isLeap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
  if (month < 1 || month > 12 || day < 1 || day > lengths[month - 1]!) return undefined
  const before = year - 1
  const leaps = Math.floor(before / 4) - Math.floor(before / 100) + Math.floor(before / 400)
  const sinceYear = lengths.slice(0, month - 1).reduce((sum, length) => sum + length, 0)
  return (before * 365 + leaps + sinceYear + day - 1 - 719162) * dayMillis
}

/** The end of the day `2027-01-31`, or the time `2027-01-31T18:00Z`; undefined when it is neither. */
export const parseUntil = (text: string): number | undefined => {
  const found = /^(\d{4})-(\d{2})-(\d{2})(?:T(\d{2}):(\d{2})Z)?$/.exec(text)
  if (found === null) return undefined
  const [year, month, day, hour, minute] = found.slice(1).map(Number)
  const start = dayStart(year!, month!, day!)
  if (start === undefined || found[4] === undefined)
    return start === undefined ? undefined : start + dayMillis
  return hour! < 24 && minute! < 60 ? start + hour! * 3600_000 + minute! * 60_000 : undefined
}

export const formatUntil = (millis: number): string => {
  const isDayEnd = millis % dayMillis === 0
  const parts = partsOf(isDayEnd ? millis - 1 : millis, 'UTC')
  const day = `${parts.year!.padStart(4, '0')}-${parts.month}-${parts.day}`
  return isDayEnd ? day : `${day}T${parts.hour}:${parts.minute}Z`
}

/**
 * Milliseconds since 1970 of `2027-03-01T09:00` on clocks of a time zone; undefined when it is no such time, or clocks pass it over.
 * Of an hour that comes twice it is the first.
 */
export const parseMoment = (text: string, timeZone: string): number | undefined => {
  const utc = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}$/.test(text) ? parseUntil(`${text}Z`) : undefined
  if (utc === undefined) return undefined
  const shows = (millis: number) => formatMoment({ millis, timeZone }).startsWith(text)
  // Clocks differ from UTC by whole quarters of an hour, less than a day.
  for (let quarter = -4 * 15; quarter <= 4 * 15; quarter++) {
    const millis = utc + quarter * 15 * 60_000
    if (shows(millis)) return millis
  }
  return undefined
}

/** `2027-03-01T09:00 Europe/Berlin`, `2027-03-01T09:00 UTC`. */
export const formatMoment = ({ millis, timeZone }: Moment): string => {
  const { year, month, day, hour, minute } = partsOf(millis, timeZone)
  return `${year!.padStart(4, '0')}-${month}-${day}T${hour}:${minute} ${timeZone}`
}

const spanUnits = { d: 86_400, h: 3_600, m: 60, s: 1 } as const
/** Open vSwitch counts milliseconds in 32 bits (lib/conntrack-tp.c): fifty days would be seven hours. */
const maxSpan = 49 * spanUnits.d

/** Seconds of `30s`, `20m`, `8h` or `7d`; undefined when it is no such time, or more than 49 days. */
export const parseSpan = (text: string): number | undefined => {
  const found = /^([1-9]\d{0,8})([smhd])$/.exec(text)
  if (found === null) return undefined
  const seconds = Number(found[1]) * spanUnits[found[2] as keyof typeof spanUnits]
  return seconds <= maxSpan ? seconds : undefined
}

/** In the largest unit that leaves no rest. */
export const formatSpan = (seconds: number): string => {
  const [unit, size] = Object.entries(spanUnits).find(([, size]) => seconds % size === 0)!
  return `${seconds / size}${unit}`
}

const formats = new Map<string, Intl.DateTimeFormat>()

/** What was asked for last, by time zone: many rules ask for the same minutes. */
const known = new Map<string, Map<number, Readonly<Record<string, string>>>>()
let knownCount = 0
const mostKnown = 20_000

const partsOf = (millis: number, timeZone: string): Readonly<Record<string, string>> => {
  let parts = known.get(timeZone)?.get(millis)
  if (parts !== undefined) return parts
  if (++knownCount > mostKnown) {
    known.clear()
    knownCount = 0
  }
  parts = partsBy(millis, timeZone)
  const ofZone = known.get(timeZone) ?? new Map()
  known.set(timeZone, ofZone.set(millis, parts))
  return parts
}

const partsBy = (millis: number, timeZone: string): Readonly<Record<string, string>> => {
  let format = formats.get(timeZone)
  if (format === undefined) {
    format = new Intl.DateTimeFormat('en-GB', {
      timeZone,
      year: 'numeric',
      month: '2-digit',
      day: '2-digit',
      weekday: 'short',
      hour: '2-digit',
      minute: '2-digit',
      hourCycle: 'h23',
    })
    formats.set(timeZone, format)
  }
  return Object.fromEntries(format.formatToParts(millis).map(part => [part.type, part.value]))
}

/** True when the schedule is on; over midnight, the day is that on which it began. */
export const isOn = (schedule: Schedule, nowMillis: number): boolean => {
  const parts = partsOf(nowMillis, schedule.timeZone)
  const minute = Number(parts.hour) * 60 + Number(parts.minute)
  const today = days.indexOf(parts.weekday!.toLowerCase() as Day)
  const yesterday = days[(today + 6) % 7]!
  if (schedule.from < schedule.to)
    return schedule.days.includes(days[today]!) && minute >= schedule.from && minute < schedule.to
  if (minute >= schedule.from) return schedule.days.includes(days[today]!)
  return minute < schedule.to && schedule.days.includes(yesterday)
}

/** When a schedule next changes, and since when that is known; by what it says. */
const changes = new Map<string, { readonly sinceMillis: number; readonly atMillis: number }>()
const mostChanges = 1_000

/** Equal when, and only when, they are on at the same times. */
export const scheduleKey = ({ days, from, to, timeZone }: Schedule): string =>
  `${days.join()} ${from}-${to} ${timeZone}`

/** When `isOn` next changes, to the minute; eight days from now when it does not within a week. */
export const nextChange = (schedule: Schedule, nowMillis: number): number => {
  const key = scheduleKey(schedule)
  const known = changes.get(key)
  if (known && known.sinceMillis <= nowMillis && nowMillis < known.atMillis) return known.atMillis
  const atMillis = findChange(schedule, nowMillis)
  if (changes.size >= mostChanges) changes.clear()
  changes.set(key, { sinceMillis: nowMillis, atMillis })
  return atMillis
}

const minuteMillis = 60_000

const findChange = (schedule: Schedule, nowMillis: number): number => {
  const now = isOn(schedule, nowMillis)
  const last = nowMillis + 8 * dayMillis
  let at = nowMillis - (nowMillis % minuteMillis) + minuteMillis
  while (at < last && isOn(schedule, at) === now) at += stepFrom(schedule, at)
  return Math.min(at, last)
}

/**
 * Milliseconds from a whole minute to the next that may change the schedule: its begin, its end, midnight, or a quarter
 * of an hour in UTC, since clocks are set at one.
 */
const stepFrom = ({ timeZone, from, to }: Schedule, millis: number): number => {
  const parts = partsOf(millis, timeZone)
  const minute = Number(parts.hour) * 60 + Number(parts.minute)
  const quarter = 15 - ((millis / minuteMillis) % 15)
  const until = (edge: number) => (edge - minute + 1440) % 1440 || 1440
  return Math.min(quarter, until(from), until(to), until(0)) * minuteMillis
}
