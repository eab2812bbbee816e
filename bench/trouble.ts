/**
 * Peers that mean harm or are ill, beside ones that are well, on the shipped program (M7, M8, M9).
 *
 *     npm run bench -- trouble [half-open] [stalled] [flood]
 */
import { connect, type Socket } from 'node:net'
import { encode } from '../src/openflow/index.js'
import { writeUserdata } from '../src/pipeline/userdata.js'
import { WireSwitch } from '../test/openflow/wire-switch.js'
import { Canary, canaryText, setUp } from './canary.js'
import { type Program, quantile, sleep, startProgram } from './program.js'

/** 500 that say nothing, 500 that say an octet a second, for as long as they are let. */
const halfOpen = async (program: Program): Promise<string> => {
  const hello = Buffer.from('0400000800000001', 'hex')
  const held = await Promise.all(
    Array.from({ length: 1_000 }, () => WireSwitch.dial(program.openflowPort)),
  )
  const opened = performance.now()
  const drip = setInterval(() => {
    for (const each of held.slice(500)) if (!each.isClosed) each.socket.write(hello.subarray(0, 1))
  }, 1_000)
  const millis: number[] = []
  let beside = 0
  for (let index = 0; index < 200; index++) {
    const began = performance.now()
    const wire = await WireSwitch.dial(program.openflowPort)
    wire.behave(BigInt(0x1000 + index))
    while (!wire.heard.some(each => each.kind === 'role-request') && !wire.isClosed)
      await wire.news()
    millis.push(performance.now() - began)
    beside = held.filter(each => !each.isClosed).length
    wire.socket.destroy()
  }
  while (performance.now() - opened < 10_000) await sleep(100)
  clearInterval(drip)
  const reaped = held.filter(each => each.isClosed).length
  for (const each of held) each.socket.destroy()
  return (
    `${beside} of 1000 half-open connections held: new handshake p50 ${quantile(millis, 0.5).toFixed(1)} ` +
    `p99 ${quantile(millis, 0.99).toFixed(1)} worst ${Math.max(...millis).toFixed(0)} ms (200 of them); after 10 s ${reaped} of 1000 reaped`
  )
}

/** Switches that ask for long answers and read none, and clients of the event stream that stop reading. */
const stalled = async (program: Program): Promise<string> => {
  const canary = await Canary.start(program)
  const before = program.memoryMib()
  const switches = await Promise.all(
    Array.from({ length: 20 }, () => WireSwitch.dial(program.openflowPort)),
  )
  for (const [index, wire] of switches.entries()) await setUp(wire, BigInt(0x2000 + index))
  const [host = '', port = ''] = program.rest.split(':')
  const streams = await Promise.all(
    Array.from(
      { length: 20 },
      () =>
        new Promise<Socket>(resolve => {
          const socket = connect({ host, port: Number(port) }, () => {
            socket.write(
              `GET /api/v1/events HTTP/1.1\r\nHost: ${program.rest}\r\nAccept: text/event-stream\r\n\r\n`,
            )
            socket.pause()
            resolve(socket)
          })
          socket.on('error', () => undefined)
        }),
    ),
  )
  const echo = Buffer.from(encode({ kind: 'echo-request', data: new Uint8Array(60_000) }, 1))
  for (const wire of switches) wire.socket.pause()
  let highest = before
  for (let turn = 0; turn < 200; turn++) {
    for (const wire of switches)
      if (!wire.isClosed && wire.socket.writableLength === 0) wire.socket.write(echo)
    // Each is an event for whoever listens to them.
    if (turn % 4 === 0) (await WireSwitch.dial(program.openflowPort)).raw('0400000700000001')
    highest = Math.max(highest, program.memoryMib())
    await sleep(10)
  }
  const healthy = await canary.stop()
  for (const wire of switches) wire.socket.destroy()
  for (const socket of streams) socket.destroy()
  return (
    `20 switches and 20 event streams that do not read: ${((highest - before) / 40).toFixed(1)} MiB each at most ` +
    `(${before.toFixed(0)} to ${highest.toFixed(0)} MiB); ${canaryText(healthy)}`
  )
}

const frame = (number: number): Uint8Array => {
  const bytes = Buffer.alloc(60)
  bytes.fill(0xff, 0, 6)
  bytes.writeUIntBE(0x0200_0000_0000 + number, 6, 6)
  bytes.set(Buffer.from('08060001080006040001', 'hex'), 12)
  bytes.writeUIntBE(0x0200_0000_0000 + number, 22, 6)
  bytes.writeUInt32BE(0x0a00_0001 + number, 28)
  bytes.writeUInt32BE(0x0a00_0001 + number, 38)
  return bytes
}

const perSecond = 20_000

/** One switch sends up 20,000 packets a second of senders that nobody knows; 100 others connect meanwhile. */
const flood = async (program: Program): Promise<string> => {
  const canary = await Canary.start(program)
  const attacker = await WireSwitch.dial(program.openflowPort)
  await setUp(attacker, 0x3000n, [1])
  await sleep(1_500)
  const packets = Array.from({ length: 10_000 }, (_, number) =>
    encode(
      {
        kind: 'packet-in2',
        properties: {
          reason: 'action',
          tableId: 10,
          match: { in_port: 1 },
          userdata: writeUserdata('teach', 1),
          data: frame(number),
        },
      },
      0,
    ),
  )
  const began = performance.now()
  let sent = 0
  const timer = setInterval(() => {
    const due = ((performance.now() - began) * perSecond) / 1_000
    const pieces: Uint8Array[] = []
    while (sent < due && pieces.length < 2_000) pieces.push(packets[sent++ % packets.length]!)
    if (attacker.socket.writableLength < 1_000_000) attacker.socket.write(Buffer.concat(pieces))
  }, 10)
  let set = 0
  for (let index = 0; index < 100; index++) {
    const wire = await WireSwitch.dial(program.openflowPort)
    if (await setUp(wire, BigInt(0x4000 + index))) set++
    wire.socket.destroy()
    await sleep(30)
  }
  const seconds = (performance.now() - began) / 1_000
  clearInterval(timer)
  const healthy = await canary.stop()
  attacker.socket.destroy()
  return (
    `${Math.round(sent / seconds)} packet-ins a second from one switch for ${seconds.toFixed(0)} s: ` +
    `set-up of others ${set} of 100; ${canaryText(healthy)}`
  )
}

const parts = { 'half-open': halfOpen, stalled, flood } as const

export const run = async (words: readonly string[]): Promise<void> => {
  for (const [name, part] of Object.entries(parts)) {
    if (words.length > 0 && !words.includes(name)) continue
    const program = await startProgram()
    try {
      console.log(`${name}: ${await part(program)}; ${program.complaints.length} errors logged`)
    } finally {
      await program.stop()
    }
  }
}
