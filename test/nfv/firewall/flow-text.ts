/** A row on one line, much as `ovs-ofctl` writes it; addresses as prefixes. */
import { formatCidr, formatIpv4, formatIpv6 } from '../../../src/base/addresses.js'
import {
  type Action,
  ctState,
  type FieldValue,
  type Masked,
  type Match,
  type Subfield,
} from '../../../src/openflow/values.js'
import type { Flow } from '../../../src/pipeline/program.js'

export const flowText = (flow: Flow): string => {
  const match = Object.entries(flow.match as Match & Record<string, FieldValue | Masked>)
  const fields = match.map(([name, value]) => fieldText(name, value as FieldValue | Masked))
  const actions = flow.actions.map(actionText)
  const then = [...actions, ...(flow.goto === undefined ? [] : [`goto ${flow.goto}`])]
  return `${flow.table} ${flow.priority} ${fields.join(',') || '*'} => ${then.join(',') || 'drop'}`
}

const hex = (value: FieldValue): string => `0x${value.toString(16)}`
const ones = (mask: FieldValue): number => BigInt(mask).toString(2).replaceAll('0', '').length

const fieldText = (name: string, value: FieldValue | Masked): string => {
  if (name === 'eth_type') return value === 0x800 ? 'ip' : 'ipv6'
  if (name === 'ct_state' && typeof value === 'object')
    return `ct_state=${flagsText(value, ctState)}`
  if (name === 'tcp_flags' && typeof value === 'object')
    return `tcp_flags=${flagsText(value, { fin: 1, syn: 2, rst: 4, ack: 16 })}`
  if (/(nw|ip|ipv6)_(src|dst)$/.test(name)) return `${name}=${addressText(value)}`
  if (typeof value === 'object') return `${name}=${hex(value.value)}/${hex(value.mask)}`
  return `${name}=${value}`
}

const addressText = (value: FieldValue | Masked): string => {
  if (typeof value === 'number') return formatIpv4(value)
  if (typeof value === 'bigint') return formatIpv6(value)
  const version = typeof value.value === 'number' ? 4 : 6
  return formatCidr({ version, address: value.value, length: ones(value.mask) })
}

const flagsText = (value: Masked, names: Readonly<Record<string, number>>): string =>
  Object.entries(names)
    .filter(([, bit]) => Number(value.mask) & bit)
    .map(([name, bit]) => (Number(value.value) & bit ? `+${name}` : `-${name}`))
    .join('')

const bits = ({ field, offset, size }: Subfield): string =>
  `${field}[${offset}..${offset + size - 1}]`

const actionText = (action: Action): string => {
  switch (action.kind) {
    case 'load':
      return `load:${hex(action.value)}->${bits(action.to)}`
    case 'move':
      return `move:${bits(action.from)}->${bits(action.to)}`
    case 'resubmit':
      return `resubmit(,${action.table})`
    case 'conjunction':
      return `conjunction(${hex(action.id)},${action.clause + 1}/${action.clauseCount})`
    case 'controller':
      return `controller(${Buffer.from(action.userdata ?? []).toString('hex')},meter=${action.meter ?? '-'})`
    case 'ct': {
      const zone = typeof action.zone === 'number' ? action.zone : bits(action.zone)
      const exec = action.exec ? `,exec(${action.exec.map(actionText).join(',')})` : ''
      return `ct(${action.commit ? 'commit,' : ''}zone=${zone},table=${action.table}${exec})`
    }
    default:
      return action.kind
  }
}
