/** When schedules turn, by hand-made calendars: a Wednesday in November, and the nights when clocks are set. */
import t from 'tap'
import { type Day, days, type Schedule } from '../../../src/nfv/firewall/text/rule.js'
import { isOn, nextChange } from '../../../src/nfv/firewall/text/times.js'

const schedule = (on: readonly Day[], from: string, to: string, timeZone = 'UTC'): Schedule => {
  const minutes = (text: string) => Number(text.slice(0, 2)) * 60 + Number(text.slice(3))
  return { days: on, from: minutes(from), to: minutes(to), timeZone }
}
/** 25 November 2026 is a Wednesday. */
const at = (day: number, time: string) => Date.parse(`2026-11-${day}T${time}:30Z`)
const turns = (one: Schedule, now: number) => new Date(nextChange(one, now)).toISOString()

t.test('a part of the day shorter than a quarter of an hour is not passed by', async t => {
  const short = schedule(days, '08:03', '08:10')
  t.equal(turns(short, at(25, '07:00')), '2026-11-25T08:03:00.000Z')
  t.equal(turns(short, at(25, '08:02')), '2026-11-25T08:03:00.000Z')
  t.equal(turns(short, at(25, '08:03')), '2026-11-25T08:10:00.000Z')
  t.equal(turns(short, at(25, '08:10')), '2026-11-26T08:03:00.000Z')
})

t.test('a pause shorter than a quarter of an hour is kept', async t => {
  const pause = schedule(days, '12:07', '12:01')
  t.equal(turns(pause, at(25, '11:00')), '2026-11-25T12:01:00.000Z')
  t.equal(turns(pause, at(25, '12:01')), '2026-11-25T12:07:00.000Z')
})

t.test('over midnight, over the week, to the end of the day', async t => {
  const night = schedule(['fri'], '22:30', '04:20')
  t.equal(turns(night, at(25, '12:00')), '2026-11-27T22:30:00.000Z')
  t.equal(turns(night, at(27, '23:00')), '2026-11-28T04:20:00.000Z')
  t.equal(turns(night, at(28, '05:00')), '2026-12-04T22:30:00.000Z')
  const late = schedule(['wed'], '20:00', '24:00')
  t.equal(turns(late, at(25, '21:00')), '2026-11-26T00:00:00.000Z')
})

t.test('one that never turns is looked at again in eight days', async t => {
  const always = schedule(days, '00:00', '24:00')
  t.ok(isOn(always, at(25, '12:00')))
  t.equal(turns(always, at(25, '12:00')), '2026-12-03T12:00:30.000Z')
})

t.test('time zones, also those that are off by three quarters of an hour', async t => {
  const kathmandu = schedule(days, '08:00', '08:05', 'Asia/Kathmandu')
  t.equal(turns(kathmandu, at(25, '00:00')), '2026-11-25T02:15:00.000Z')
  t.equal(turns(kathmandu, at(25, '02:15')), '2026-11-25T02:20:00.000Z')
})

t.test('where clocks are set', async t => {
  // 29 March 2026: at 01:00 UTC it is 03:00 in Berlin; what began at 02:30 begins then.
  const gap = schedule(['sun'], '02:30', '03:10', 'Europe/Berlin')
  t.equal(turns(gap, Date.UTC(2026, 2, 28, 12)), '2026-03-29T01:00:00.000Z')
  t.equal(turns(gap, Date.UTC(2026, 2, 29, 1, 0, 30)), '2026-03-29T01:10:00.000Z')
  // 25 October 2026: 02:00 to 03:00 comes twice, and so does this.
  const twice = schedule(['sun'], '02:10', '02:20', 'Europe/Berlin')
  t.equal(turns(twice, Date.UTC(2026, 9, 24, 12)), '2026-10-25T00:10:00.000Z')
  t.equal(turns(twice, Date.UTC(2026, 9, 25, 0, 20, 30)), '2026-10-25T01:10:00.000Z')
})

t.test('what is remembered of a schedule holds also when the clock goes back', async t => {
  const short = schedule(days, '08:03', '08:10')
  t.equal(turns(short, at(25, '08:05')), '2026-11-25T08:10:00.000Z')
  t.equal(turns(short, at(25, '08:09')), '2026-11-25T08:10:00.000Z')
  t.equal(turns(short, at(25, '07:00')), '2026-11-25T08:03:00.000Z')
})
