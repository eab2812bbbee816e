/**
 * Text that others wrote, on its way to a terminal: names, messages and descriptions may hold characters that move the cursor,
 * change colours, write to the clipboard or turn the order of what is read.
 */

/** Controls, and Unicode's marks of direction. */
const unseen = /[\p{Cc}\p{Bidi_Control}]/gu

/** The same, with what is not to reach a terminal written as `\u001b`, which is also how JSON writes it. */
export const shown = (text: string): string =>
  text.replace(unseen, each =>
    each === '\n' || each === '\t'
      ? each
      : `\\u${each.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
