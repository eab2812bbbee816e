/**
 * The figures of addresses and names: clients that get a lease, on a store on disk, and answers from memory. From octets of a
 * question to the frame of its answer; without the way to the switch and back, and without the 300 ms of a probe.
 *
 *     npm run bench -- leases [CLIENTS]
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import type { Dpid } from '../src/base/addresses.js'
import { realEnv } from '../src/base/env/real-env.js'
import { openStore } from '../src/controller/store/journal-store.js'
import { LeaseBook } from '../src/nfv/dhcp/book.js'
import { replyFrame } from '../src/nfv/dhcp/replies.js'
import { resolveDhcp, type Served } from '../src/nfv/dhcp/scope.js'
import { DhcpServer } from '../src/nfv/dhcp/server.js'
import { LeaseWriter } from '../src/nfv/dhcp/writer.js'
import { readResponse, rrTypes, writeName } from '../src/nfv/dns/message.js'
import { Names } from '../src/nfv/dns/names.js'
import { Resolver } from '../src/nfv/dns/resolver.js'
import { functionStore } from '../src/nfv/kept.js'
import { buildFrame } from '../src/pipeline/build.js'
import { readDhcp, writeDhcp } from '../src/topology/dhcp-message.js'
import { emptyTopology } from '../src/topology/model.js'

const print = (text: string): void => void process.stdout.write(`${text}\n`)

const clients = async (count: number): Promise<void> => {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-bench-'))
  const env = realEnv(pino({ level: 'silent' }))
  const { store } = await openStore(env, folder)
  const served = resolveDhcp(
    { range: '10.1.0.10-10.1.250.250', server: '10.1.0.2/16', perPort: 65_536 },
    { number: 1, name: 'default' },
    [],
    [],
  ) as Served
  const writer = new LeaseWriter(functionStore(store, 'dhcp'), env.timers)
  const told = new Map<string, number>()
  const server = new DhcpServer(new LeaseBook(env.clock), {
    clock: env.clock,
    answer: (question, answer) => {
      const read = readDhcp(replyFrame(question, answer).subarray(42), 2)!
      told.set(Buffer.from(read.hardware).toString('hex'), read.yours)
    },
    keep: changes => writer.write(changes),
    probe: async () => true,
    isRelay: () => false,
    isUnguarded: () => true,
    isShared: () => false,
    leased: () => undefined,
    tell: () => undefined,
  })
  const at = { dpid: '0000000000000001' as Dpid, port: 1 }
  const ask = (index: number, type: 1 | 3): Promise<void> => {
    const hardware = Buffer.alloc(6)
    hardware.writeUIntBE(0x020000000000 + index, 0, 6)
    const address = Buffer.alloc(4)
    address.writeUInt32BE(told.get(hardware.toString('hex')) ?? 0)
    const head = {
      xid: index,
      secs: 0,
      isBroadcast: false,
      client: 0,
      yours: 0,
      server: 0,
      relay: 0,
    }
    const body = writeDhcp(1, { ...head, hardwareType: 1, hardware }, [
      [53, Uint8Array.of(type)],
      ...(type === 3 ? [[50, address] as const] : []),
    ])
    return server.receive({
      message: readDhcp(body, 1)!,
      served,
      at,
      sender: 0x020000000000 + index,
    })
  }
  const all = Array.from({ length: count }, (_, index) => index)
  const began = performance.now()
  await Promise.all(all.map(index => ask(index, 1)))
  await Promise.all(all.map(index => ask(index, 3)))
  const millis = performance.now() - began
  print(
    `DHCP: ${count} clients at once, ${new Set(told.values()).size} addresses, kept on disk: ${Math.round(millis)} ms, ${Math.round((count / millis) * 1_000)} clients/s`,
  )
  await store.close()
  rmSync(folder, { recursive: true, force: true })
}

const question = (name: string): Uint8Array =>
  Uint8Array.from([0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, ...writeName(name), 0, rrTypes.A, 0, 1])

const answers = async (): Promise<void> => {
  const env = realEnv(pino({ level: 'silent' }))
  const network = { number: 1, name: 'default' }
  const hosts = Array.from({ length: 10_000 }, (_, index) => ({
    name: `h${index}`,
    network: 1,
    ips: [`10.1.${index >> 8}.${index & 255}`],
  }))
  const began = performance.now()
  const names = new Names([{ network, zone: 'office.example', services: [] }], emptyTopology, hosts)
  print(
    `DNS: names of ${hosts.length} hosts looked up in ${Math.round(performance.now() - began)} ms`,
  )
  const answer = (bytes: Uint8Array): void => {
    const frame = buildFrame(
      {
        eth_src: 1,
        eth_dst: 2,
        eth_type: 0x0800,
        ip_proto: 17,
        ip_src: 1,
        ip_dst: 2,
        udp_src: 53,
        udp_dst: 9,
      },
      bytes,
    )
    if (frame.length < 60) throw new Error('no answer')
  }
  const resolver = new Resolver({
    ...env,
    net: {
      ...env.net,
      openUdp: async () => {
        let heard: (bytes: Uint8Array) => void = () => undefined
        return {
          onMessage: (handler: (bytes: Uint8Array) => void) => {
            heard = handler
          },
          send: (bytes: Uint8Array) => {
            const { name } = readResponse(
              Uint8Array.from(bytes, (each, at) => (at === 2 ? 0x81 : each)),
            )!
            const said = Uint8Array.from([
              ...question(name),
              ...[0xc0, 12, 0, 1, 0, 1, 0, 0, 14, 16, 0, 4, 1, 2, 3, 4],
            ])
            said.set(bytes.subarray(0, 2))
            said.set([0x81, 0x80], 2)
            said[7] = 1
            heard(said)
          },
          close: () => undefined,
        }
      },
    },
  })
  const asker = { names, upstream: [{ host: '192.0.2.1', port: 53 }], port: 'one' }
  const run = (what: string, nameOf: (index: number) => string) => {
    const asked = Array.from({ length: 50_000 }, (_, index) => question(nameOf(index)))
    const start = performance.now()
    for (const each of asked) answer(resolver.answer(each, asker) as Uint8Array)
    const seconds = (performance.now() - start) / 1_000
    print(`DNS: ${what}: ${Math.round(asked.length / seconds)} answers/s`)
  }
  run('names of our own', index => `h${index % 10_000}.office.example`)
  for (let index = 0; index < 1_000; index++)
    await resolver.answer(question(`w${index}.example`), asker)
  run('answers of others, remembered', index => `w${index % 1_000}.example`)
}

export const run = async ([count = '1000']: readonly string[]): Promise<void> => {
  await clients(Number(count))
  await answers()
}
