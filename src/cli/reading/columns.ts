/** Characters that end a line or steer a terminal, as escapes: what others wrote makes no line of its own. */
export const onOneLine = (text: string): string =>
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is meant
  text.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g, each =>
    each === '\n' ? '\\n' : `\\u${each.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )

/**
 * Rows under headings, aligned, without boxes: what fits into a pipe as well as on a screen.
 *
 * @param headings undefined: rows alone
 */
export const formatColumns = (
  headings: readonly string[] | undefined,
  written: readonly (readonly string[])[],
): string => {
  const rows = [...(headings ? [headings] : []), ...written.map(row => row.map(onOneLine))]
  const widths: number[] = []
  for (const row of rows)
    for (const [column, cell] of row.entries())
      widths[column] = Math.max(widths[column] ?? 0, cell.length)
  return rows
    .map(row =>
      row
        .map((cell, column) => (column === row.length - 1 ? cell : cell.padEnd(widths[column]!)))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}
