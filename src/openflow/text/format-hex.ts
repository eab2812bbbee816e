/** Octets as `ovs-ofctl` dumps them: sixteen in a line, with their offset and as text. */

export const formatHexDump = (bytes: Uint8Array): string => {
  const lines: string[] = []
  for (let at = 0; at < bytes.length; at += 16)
    lines.push(formatLine(bytes.subarray(at, at + 16), at))
  return lines.join('\n')
}

const formatLine = (bytes: Uint8Array, at: number): string => {
  let hex = ''
  let text = ''
  for (let index = 0; index < 16; index++) {
    const byte = bytes[index]
    // A dash joins the two halves of a line.
    hex +=
      byte === undefined ? '   ' : byte.toString(16).padStart(2, '0') + (index === 7 ? '-' : ' ')
    text += byte === undefined ? ' ' : byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : '.'
  }
  return `${at.toString(16).padStart(8, '0')}  ${hex}|${text}|`
}
