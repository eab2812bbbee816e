import { sleep } from './shell.js'

/** Looks again until it is as wanted, or time is up; the last thing seen. */
export const until = async (
  look: () => Promise<string>,
  isGood: (seen: string) => boolean,
  patienceMillis: number,
): Promise<string> => {
  const end = performance.now() + patienceMillis
  for (;;) {
    const seen = await look()
    if (isGood(seen) || performance.now() > end) return seen
    await sleep(50)
  }
}
