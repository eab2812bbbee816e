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
