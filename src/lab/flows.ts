/** Many short exchanges from one host, so many at a time that no queue runs over. */

const atATime = 20
export const flowPatienceMillis = 3_000

/** Source ports of flows, below those that hosts choose by themselves; the 20,001st is the first again. */
export const flowPort = (index: number): number => 10_000 + (index % 20_000)

/** Carries out `one` so many times, some at a time. */
export const inTurns = async (count: number, one: () => Promise<void>): Promise<void> => {
  let begun = 0
  const worker = async (): Promise<void> => {
    while (begun++ < count) await one()
  }
  await Promise.all(Array.from({ length: Math.min(atATime, count) }, worker))
}
