/** The program as users run it: without the loader that tap hands down to its children, which costs a second each. */
export const programPath = new URL('../src/sluice.js', import.meta.url).pathname

/** For `env`: the words that run `sluice WORDS`. */
export const asUsersRun = (...words: readonly string[]): string[] => [
  '-u',
  'NODE_OPTIONS',
  process.execPath,
  programPath,
  ...words,
]
