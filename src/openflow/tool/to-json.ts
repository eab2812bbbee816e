/**
 * A decoded message as plain JSON: 64-bit and wider numbers as decimal strings, octets as hex. What a
 * message does not have is absent, as in the value itself.
 */

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json }

export const toJson = (value: unknown): Json => {
  if (typeof value === 'bigint') return String(value)
  if (value instanceof Uint8Array)
    return Buffer.from(value.buffer, value.byteOffset, value.length).toString('hex')
  if (Array.isArray(value)) return value.map(toJson)
  if (typeof value !== 'object' || value === null) return value as Json
  const found: { [key: string]: Json } = {}
  for (const [key, member] of Object.entries(value))
    if (member !== undefined) found[key] = toJson(member)
  return found
}
