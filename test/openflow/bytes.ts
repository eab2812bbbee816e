/** Annotated hex: digits of any number in a line, what they are behind `#`. */
export const hex = (text: string): Buffer =>
  Buffer.from(text.replace(/#.*$/gm, '').replace(/\s+/g, ''), 'hex')
