/**
 * Resolves when a look finds what is waited for.
 *
 * @throws {Error} when it has not come true in time
 */
export const until = async (
  look: () => Promise<boolean> | boolean,
  patienceMillis = 15_000,
): Promise<void> => {
  const last = performance.now() + patienceMillis
  while (!(await look())) {
    if (performance.now() > last) throw new Error(`not in ${patienceMillis} ms: ${look}`)
    await new Promise(resolve => setTimeout(resolve, 10))
  }
}
