/** Characters that end a line or steer a terminal, as escapes: what others wrote makes no line of its own. */
export const onOneLine = (text: string): string =>
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is meant
  text.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g, each =>
    each === '\n' ? '\\n' : `\\u${each.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )

/** Rows under headings, aligned, without boxes: what fits into a pipe as well as on a screen. */
export const formatColumns = (
  headings: readonly string[],
  written: readonly (readonly string[])[],
): string => {
  const rows = written.map(row => row.map(onOneLine))
  const widths = headings.map((heading, column) =>
    Math.max(heading.length, ...rows.map(row => row[column]?.length ?? 0)),
  )
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, column) => (column === cells.length - 1 ? cell : cell.padEnd(widths[column]!)))
      .join('  ')
      .trimEnd()
  return [headings, ...rows].map(line).join('\n')
}
