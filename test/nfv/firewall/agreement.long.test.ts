import { readFileSync } from 'node:fs'
import t from 'tap'
import { formatIpv4 } from '../../../src/base/addresses.js'
import { createCompiler } from '../../../src/nfv/firewall/flows/compile.js'
import { decide } from '../../../src/nfv/firewall/meaning/decide.js'
import type { Connection } from '../../../src/pipeline/connection.js'
import { answerOf, fieldsOf, OneSwitch } from './one-switch.js'
import {
  disagreements,
  isSameAnswer,
  randomConnection,
  randomPolicy,
  rulesOf,
  seeded,
} from './random-policy.js'

t.test('what the flows do is what the rules say', async t => {
  const wrong = [...disagreements(20261124, 250, 40)]
  for (const { policy, connection, said, done } of wrong.slice(0, 3))
    t.match({ connection, ...done }, { connection, ...said }, policy)
  t.equal(wrong.length, 0, '10,000 connections under 250 policies')
})

t.test('the first piece of a datagram is answered as the whole of it', async t => {
  const dice = seeded(20261201)
  const net = new OneSwitch()
  const seen = { stateless: 0, all: 0 }
  for (let round = 0; round < 150; round++) {
    const policy = randomPolicy(dice)
    const resolved = rulesOf(policy)
    net.load(createCompiler().compile(resolved, 7))
    for (let count = 0; count < 40; count++) {
      const connection = randomConnection(dice)
      if (connection.protocol !== 17) continue
      const said = decide(resolved, connection)
      net.conntrack.flush()
      const done = answerOf(net.send({ ...fieldsOf(connection), ip_frag: 1 }))
      if (done.verdict !== said.verdict || done.ruleId !== said.ruleId)
        return t.match({ connection, ...done }, { connection, ...said }, policy)
      const isStateless = resolved.stateless.some(({ rule }) => rule.id === said.ruleId)
      seen.stateless += Number(isStateless)
      seen.all++
      if (isStateless) t.same(net.conntrack.list(), [], 'nothing is remembered')
    }
  }
  t.ok(seen.all > 1_000 && seen.stateless > 30, JSON.stringify(seen))
})

t.test('flows that did something else would be noticed', async t => {
  const resolved = rulesOf('default drop\nr1: allow tcp 80 from any to any\n')
  const net = new OneSwitch()
  net.load(createCompiler().compile(rulesOf('default drop\nr1: allow tcp 81 from any to any\n'), 7))
  const connection: Connection = {
    source: formatIpv4(0x0a000001),
    destination: formatIpv4(0x0a000002),
    protocol: 6,
    sourcePort: 1000,
    destinationPort: 80,
  }
  t.notOk(isSameAnswer(decide(resolved, connection), net.open(connection)), 'another verdict')
  net.load(createCompiler().compile(rulesOf('default drop\nr2: allow tcp 80 from any to any\n'), 7))
  t.notOk(isSameAnswer(decide(resolved, connection), net.open(connection)), 'another rule')
})

/** ClassBench's layout to our language. */
const fromClassBench = (text: string): string => {
  const range = (field: string): string => {
    const [from, to] = field.split(' : ')
    return from === '0' && to === '65535' ? '' : from === to ? from! : `${from}-${to}`
  }
  const lines = text
    .trim()
    .split('\n')
    .map((line, index) => {
      const [source, destination, sourcePorts, ports, protocol] = line.slice(1).split('\t')
      const number = protocol!.endsWith('0x00') ? undefined : Number(protocol!.split('/')[0])
      const transport = number === 6 ? 'tcp' : number === 17 ? 'udp' : undefined
      const [to, from] = [range(ports!), range(sourcePorts!)]
      const service =
        number === undefined
          ? 'any'
          : transport
            ? `${transport} ${to} ${from && `source ${from}`}`
            : `proto ${number}`
      return `r${index}: ${index % 3 === 0 ? 'drop' : 'allow'} ${service} from ${source} to ${destination}`
    })
  return `default drop\n${lines.join('\n')}\n`
}

for (const name of ['acl', 'fw', 'ipc'])
  t.test(`the published set ${name} is answered as published`, async t => {
    const folder = new URL('../../../../test/fixtures/acl/', import.meta.url)
    const resolved = rulesOf(
      fromClassBench(readFileSync(new URL(`${name}500.rules`, folder), 'utf8')),
    )
    const net = new OneSwitch()
    net.load(createCompiler().compile(resolved, 1))
    let wrong = 0
    for (const line of readFileSync(new URL(`${name}500.trace`, folder), 'utf8')
      .trim()
      .split('\n')) {
      const [source, destination, sourcePort, destinationPort, protocol, index] = line
        .split('\t')
        .map(Number)
      const connection: Connection = {
        source: formatIpv4(source!),
        destination: formatIpv4(destination!),
        protocol: protocol!,
        // Only TCP and UDP have ports; an echo request stands for ICMP.
        sourcePort: protocol === 1 ? 8 : sourcePort!,
        destinationPort: protocol === 1 ? 0 : destinationPort!,
      }
      const wanted = index === -1 ? 'default' : `r${index}`
      const said = decide(resolved, connection)
      const done = net.open(connection)
      if (said.rule !== wanted || done.ruleId !== said.ruleId || done.verdict !== said.verdict)
        wrong++
    }
    t.equal(wrong, 0, 'verdict and rule of every header')
  })
