/** What stands before a line that tells a change. */
export const signs: Readonly<Record<string, string>> = {
  added: '+',
  removed: '-',
  changed: '~',
  moved: '^',
}
