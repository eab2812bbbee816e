/** Connections that nobody answers: judged once, and not with each packet. */
import t from 'tap'
import type { Ip } from '../../../src/base/addresses.js'
import { createCompiler } from '../../../src/nfv/firewall/flows/compile.js'
import type { Connection } from '../../../src/pipeline/connection.js'
import { answerOf, fieldsOf, OneSwitch } from './one-switch.js'
import { rulesOf } from './random-policy.js'

const compiled = (text: string, generation: number) =>
  createCompiler().compile(rulesOf(text), generation)

const datagram: Connection = {
  source: '10.0.0.1' as Ip,
  destination: '10.0.0.2' as Ip,
  protocol: 17,
  sourcePort: 40_000,
  destinationPort: 514,
}

/** Verdict and number of log lines of each of three packets in one direction. */
const three = (net: OneSwitch, connection: Connection): string[] =>
  [1, 2, 3].map(() => {
    const { verdict, logged } = answerOf(net.send(fieldsOf(connection)))
    return `${verdict} ${logged.length}`
  })

t.test('a stream in one direction is logged once, not packet by packet', async t => {
  const net = new OneSwitch()
  net.load(compiled('default drop\na: allow udp 514 log\n', 7))
  t.same(three(net, datagram), ['allow 1', 'allow 0', 'allow 0'])
})

t.test('what is not let in is no connection: each packet asks', async t => {
  const net = new OneSwitch()
  net.load(compiled('default drop\na: drop udp 514 log\n', 7))
  t.same(three(net, datagram), ['drop 1', 'drop 1', 'drop 1'])
})

t.test('newer rules judge it again', async t => {
  const net = new OneSwitch()
  net.load(compiled('default drop\na: allow udp 514\n', 7))
  t.same(three(net, datagram), ['allow 0', 'allow 0', 'allow 0'])
  net.load(compiled('default drop\na: drop udp 514 log\n', 8))
  t.same(three(net, datagram), ['drop 1', 'drop 1', 'drop 1'])
  net.load(compiled('default drop\na: allow udp 514 log\n', 9))
  t.same(three(net, datagram), ['allow 1', 'allow 0', 'allow 0'])
})

t.test('a rule that counts looks its place up with each packet', async t => {
  const net = new OneSwitch()
  net.load(compiled('default drop\na: allow udp 514\n', 7))
  t.same(three(net, datagram), ['allow 0', 'allow 0', 'allow 0'])
  net.load(compiled('default drop\na: allow udp 514 max 5 connections\n', 7))
  t.same(three(net, datagram), ['drop 0', 'drop 0', 'drop 0'], 'nobody has given it a place')
})
