/** Cuts a stream of bytes into lines of text, holding no more than one line. */

/** A JSON line of the largest message in hex has 131,070 digits and little more. */
const maxLineSize = 1 << 20

export async function* lines(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<string[]> {
  let rest: Uint8Array[] = []
  let size = 0
  for await (const chunk of chunks) {
    const found: string[] = []
    let from = 0
    for (let at = chunk.indexOf(10); at >= 0; at = chunk.indexOf(10, from)) {
      const line = Buffer.concat([...rest, chunk.subarray(from, at)])
      rest = []
      size = 0
      found.push(line.toString('utf8'))
      from = at + 1
    }
    const tail = chunk.subarray(from)
    size += tail.length
    // What is longer is not a line of ours: it is cut, and the answer says what is wrong with it.
    if (size > maxLineSize) {
      found.push(Buffer.concat([...rest, tail]).toString('utf8', 0, 200))
      rest = []
      size = 0
    } else if (tail.length > 0) rest.push(Uint8Array.from(tail))
    if (found.length > 0) yield found
  }
  if (size > 0) yield [Buffer.concat(rest).toString('utf8')]
}
