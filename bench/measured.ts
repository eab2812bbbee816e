/**
 * Loaded before the controller by `node --expose-gc --import`: tells what is still reached in its memory when it is
 * asked to. `SLUICE_BENCH_LEAK` takes away what forgets, one word each, so that a measurement can be seen to notice.
 */
import { setImmediate as turn } from 'node:timers/promises'

export interface Memory {
  readonly heapMib: number
  /** Outside of the heap: buffers and what else the engine knows of. */
  readonly externalMib: number
  readonly residentMib: number
}

const leaks: Readonly<Record<string, () => Promise<void>>> = {
  lines: async () => {
    const { Parser } = await import('../src/nfv/firewall/text/parse.js')
    Parser.prototype.forgetOld = () => undefined
  },
  switches: async () => {
    const { SwitchAgeing } = await import('../src/controller/southbound/switch-ageing.js')
    SwitchAgeing.prototype.start = () => undefined
  },
  answers: async () => {
    const { Callers } = await import('../src/controller/rest/callers.js')
    Callers.prototype.answer = () => undefined
  },
}

const leak = process.env.SLUICE_BENCH_LEAK
if (leak) await leaks[leak]!()

const mebibytes = (octets: number): number => octets / 2 ** 20

process.on('message', async () => {
  for (let round = 0; round < 3; round++) {
    globalThis.gc!()
    await turn()
  }
  const { heapUsed, external, rss } = process.memoryUsage()
  const memory: Memory = {
    heapMib: mebibytes(heapUsed),
    externalMib: mebibytes(external),
    residentMib: mebibytes(rss),
  }
  process.send!(memory)
})
// Whoever measures is gone: nobody else will end it.
process.on('disconnect', () => process.exit(1))
process.channel?.unref()
