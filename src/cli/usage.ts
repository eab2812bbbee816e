/** The command was wrong: exit code 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}

/** A whole number that somebody typed. @throws {UsageError} that says what belongs there */
export const numberOf = (
  text: string,
  option: string,
  what: string,
  most = Number.MAX_SAFE_INTEGER,
): number => {
  if (!/^[0-9]{1,16}$/.test(text) || Number(text) > most)
    throw new UsageError(`${option} takes ${what}; "${text}" is none`)
  return Number(text)
}

const unitSeconds: Readonly<Record<string, number>> = { '': 1, s: 1, m: 60, h: 3_600, d: 86_400 }

/** Seconds of `30`, `30s`, `5m`, `8h` or `2d`. @throws {UsageError} when it is none of them */
export const secondsOf = (text: string, option: string): number => {
  const found = /^(\d{1,5})([smhd]?)$/.exec(text)
  if (found === null) throw new UsageError(`${option} ${text}: say how long as 30s or 5m`)
  return Number(found[1]) * unitSeconds[found[2]!]!
}
