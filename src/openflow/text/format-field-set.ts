/** A set of fields as Open vSwitch sums it up: `tun_{id,src,dst} reg0...reg15 eth_{src,dst}`. */

export const formatFieldSet = (names: readonly string[]): string => join(names).join(' ')

const join = (names: readonly string[]): string[] => {
  const parts: string[] = []
  for (let at = 0; at < names.length; ) {
    const end = runOfNumbers(names, at)
    if (end > at) {
      parts.push(`${names[at]}...${names[end]}`)
      at = end + 1
      continue
    }
    const last = runOfPrefix(names, at)
    const prefix = prefixOf(names[at]!)
    if (last > at && prefix !== undefined) {
      const inner = names.slice(at, last + 1).map(name => name.slice(prefix.length))
      parts.push(`${prefix}{${join(inner).join(',')}}`)
    } else parts.push(names[at]!)
    at = last + 1
  }
  return parts
}

/** Up to and with the first underline. */
const prefixOf = (name: string): string | undefined => {
  const at = name.indexOf('_')
  return at < 0 ? undefined : name.slice(0, at + 1)
}

const runOfPrefix = (names: readonly string[], from: number): number => {
  const prefix = prefixOf(names[from]!)
  let last = from
  while (prefix !== undefined && names[last + 1]?.startsWith(prefix)) last++
  return last
}

/** `reg0, reg1, reg2` */
const runOfNumbers = (names: readonly string[], from: number): number => {
  const found = /^(.*?)(\d+)$/.exec(names[from]!)
  if (found === null) return from
  let last = from
  while (names[last + 1] === `${found[1]}${Number(found[2]) + last + 1 - from}`) last++
  return last
}
