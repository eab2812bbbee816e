/** os-ken's JSON of OpenFlow 1.3 messages beside ours: its names once, and what differs told by path. */

type Json = null | boolean | number | string | Json[] | { [key: string]: Json }
type Members = Record<string, unknown>

/** Lengths and types are the wire's own affair. */
// biome-ignore format: a table
const passedOver = new Set(['len', 'length', 'subtype', 'actions_len', 'match_len', 'exp_type'])

// biome-ignore format: a table
const names: Readonly<Record<string, string>> = {
  duration_sec: 'durationSeconds', duration_nsec: 'durationNanoseconds', miss_send_len: 'missSendLength', total_len: 'totalLength',
  n_buffers: 'bufferCount', n_tables: 'tableCount', hw_addr: 'hardwareAddress', port_no: 'port', curr: 'current', curr_speed: 'currentSpeed',
  queue_id: 'queue', ref_count: 'referenceCount', bucket_stats: 'buckets', band_stats: 'bands', packet_in_count: 'packetCount', byte_in_count: 'byteCount',
  packet_band_count: 'packetCount', byte_band_count: 'byteCount', prec_level: 'precedenceLevel', max_meter: 'maxMeters', max_color: 'maxColours',
  mfr_desc: 'manufacturer', hw_desc: 'hardware', sw_desc: 'software', serial_num: 'serialNumber', dp_desc: 'datapath', desc: 'description',
  rx_frame_err: 'rxFrameErrors', rx_over_err: 'rxOverruns', rx_crc_err: 'rxCrcErrors', packet_in_mask: 'packetIn', port_status_mask: 'portStatus',
  flow_removed_mask: 'flowRemoved', max_len: 'maxLength', mpls_ttl: 'ttl', nw_ttl: 'ttl', cnt_ids: 'controllerIds', fin_idle_timeout: 'idleTimeout',
  fin_hard_timeout: 'hardTimeout', obs_domain_id: 'observationDomain', obs_point_id: 'observationPoint', collector_set_id: 'collectorSet',
  n_clauses: 'clauseCount', recirc_table: 'table', range_ipv4_min: 'addressMin', range_ipv4_max: 'addressMax', range_ipv6_min: 'addressMin',
  range_ipv6_max: 'addressMax', range_proto_min: 'portMin', range_proto_max: 'portMax', body: 'entries', body_desc: 'entries',
}

/** Of one class alone. */
// biome-ignore format: a table
const namesOfClass: Readonly<Record<string, string>> = {
  'OFPActionGroup.group_id': 'group', 'OFPInstructionMeter.meter_id': 'meter', 'OFPInstructionGotoTable.table_id': 'table',
  'NXActionResubmitTable.table_id': 'table', 'NXActionResubmitTable.in_port': 'port', 'NXActionLearn.table_id': 'table',
  'NXActionLearn.fin_idle_timeout': 'finIdleTimeout', 'NXActionLearn.fin_hard_timeout': 'finHardTimeout',
}

/** What we leave away when it has its usual value. */
// biome-ignore format: a table
const usual: Readonly<Record<string, unknown>> = {
  maxLength: 65535, controllerId: 0, watchPort: 0xffffffff, watchGroup: 0xffffffff, weight: 0, alg: 0, idleTimeout: 0, hardTimeout: 0,
  finIdleTimeout: 0, finHardTimeout: 0, cookie: 0, flags: 0, table: 0xff, addressMin: '', addressMax: '', portMin: '', portMax: '', pause: false,
}

// biome-ignore format: a table
const words: Readonly<Record<string, readonly (string | number)[]>> = {
  'OFPFlowMod.command': ['add', 'modify', 'modify-strict', 'delete', 'delete-strict'], 'OFPGroupMod.command': ['add', 'modify', 'delete'],
  'OFPMeterMod.command': ['add', 'modify', 'delete'], 'OFPGroupMod.type': ['all', 'select', 'indirect', 'ff'],
  'OFPGroupDescStats.type': ['all', 'select', 'indirect', 'ff'], 'OFPPacketIn.reason': ['no-match', 'action', 'invalid-ttl'],
  'OFPFlowRemoved.reason': ['idle-timeout', 'hard-timeout', 'delete', 'group-delete'], 'OFPPortStatus.reason': ['add', 'delete', 'modify'],
  'OFPRoleRequest.role': ['nochange', 'equal', 'master', 'slave'], 'OFPRoleReply.role': ['nochange', 'equal', 'master', 'slave'],
}

const camel = (name: string): string =>
  name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase())

/** Paths at which os-ken's message and ours say different things. */
export const differences = (json: Json, ours: unknown): string[] => {
  const found: string[] = []
  compare(json, ours, '', found)
  return found
}

const classOf = (json: Json): [string, Members] | undefined => {
  if (typeof json !== 'object' || json === null || Array.isArray(json)) return undefined
  const [name, ...others] = Object.keys(json)
  return name !== undefined && others.length === 0 && /^[A-Z]/.test(name)
    ? [name, json[name] as Members]
    : undefined
}

const compare = (json: Json, ours: unknown, path: string, found: string[]): void => {
  const known = classOf(json)
  if (known) return compareClass(known[0], known[1], ours, path, found)
  if (Array.isArray(json)) return compareList(json, ours, path, found)
  if (!isSame(json, ours)) found.push(`${path}: ${String(json)} is ${String(ours)} with us`)
}

const isSame = (json: Json, ours: unknown): boolean => {
  if (ours instanceof Uint8Array) return json === Buffer.from(ours).toString('base64')
  if (typeof ours === 'bigint') return typeof json === 'number' && json === Number(ours)
  if (typeof ours === 'boolean') return Boolean(json) === ours
  return json === ours
}

const compareList = (json: Json[], ours: unknown, path: string, found: string[]): void => {
  if (ours instanceof Uint8Array) {
    if (JSON.stringify(json) !== JSON.stringify([...ours]))
      found.push(`${path}: ${json} is ${[...ours]}`)
    return
  }
  const list = isMasks(ours) ? [ours.master, ours.slave] : ours
  if (!Array.isArray(list) || list.length !== json.length) {
    found.push(`${path}: ${json.length} elements are ${JSON.stringify(list)?.slice(0, 60)}`)
    return
  }
  json.forEach((element, index) => {
    compare(element, list[index], `${path}[${index}]`, found)
  })
}

const isMasks = (value: unknown): value is { master: number; slave: number } =>
  typeof value === 'object' && value !== null && 'master' in value

const compareClass = (
  name: string,
  members: Members,
  ours: unknown,
  path: string,
  found: string[],
): void => {
  const here = `${path}/${name}`
  if (name === 'OFPMatch')
    return compareMatch(members.oxm_fields as Json[], ours as Members, here, found)
  if (name === 'OFPActionSetField') return compareSetField(members, ours as Members, here, found)
  // Kept whole: what nobody defined, and properties whose form depends on their type.
  if (
    ours === undefined ||
    /^Packet$|Unknown|^OFPTableFeatureProp|^OFPQueueProp|^OFPHello|^NXFlowSpec|^OFPExperimenterMultipart/.test(
      name,
    )
  ) {
    if (ours === undefined) found.push(`${here}: absent`)
    return
  }
  const target = ours as Members
  if (name === 'OFPErrorMsg' && (members.code ?? members.exp_type) !== target.code)
    found.push(`${here}/code`)
  for (const [key, value] of Object.entries(members))
    compareMember(name, key, value as Json, target, here, found)
}

const isHeader = (name: string, key: string): boolean =>
  passedOver.has(key) ||
  (key === 'type' && !['OFPGroupMod', 'OFPGroupDescStats', 'OFPErrorMsg'].includes(name)) ||
  (key === 'experimenter' && name.startsWith('NX')) ||
  (key === 'experimenter' && name.startsWith('ONF'))

const compareMember = (
  name: string,
  key: string,
  value: Json,
  target: Members,
  path: string,
  found: string[],
): void => {
  if (isHeader(name, key) || special.has(`${name}.${key}`)) return
  if (/Stats(Reply|Request)$/.test(name) && key === 'flags') {
    if ((target.more === true) !== (value === 1)) found.push(`${path}/more`)
    return
  }
  if (key === 'body' && name === 'OFPMeterFeaturesStatsReply')
    return compare((value as Json[])[0]!, target, path, found)
  if (key === 'body' && !Array.isArray(value)) return compare(value, target, path, found)
  const ourKey = namesOfClass[`${name}.${key}`] ?? names[key] ?? camel(key)
  const ourValue = target[ourKey] ?? (ourKey in usual ? usual[ourKey] : undefined)
  const word = words[`${name}.${key}`]?.[value as number]
  if (value === '' && ourKey.startsWith('address')) return
  compare(word ?? value, ourValue, `${path}/${ourKey}`, found)
}

/** Said in another way with us, and looked at elsewhere. */
const special = new Set([
  'OFPErrorMsg.exp_type',
  'OFPErrorMsg.code',
  'OFPExperimenterStatsRequest.exp_type',
  'OFPActionOutput.max_len',
  'NXActionCT.flags',
  'NXActionCT.zone_src',
  'NXActionCT.zone_ofs_nbits',
  'NXActionCT.actions',
  'NXActionNAT.flags',
  'NXActionRegLoad.dst',
  'NXActionRegLoad.ofs_nbits',
  'NXActionRegMove.dst_field',
  'NXActionRegMove.src_field',
  'NXActionRegMove.dst_ofs',
  'NXActionRegMove.src_ofs',
  'NXActionRegMove.n_bits',
  'NXActionStackPush.field',
  'NXActionStackPush.start',
  'NXActionStackPush.end',
  'NXActionStackPop.field',
  'NXActionStackPop.start',
  'NXActionStackPop.end',
  'OFPHello.elements',
  'ONFFlowMonitorStatsRequest.body',
  'OFPMeterBandExperimenter.prec_level',
])

const compareMatch = (fields: Json[], ours: Members, path: string, found: string[]): void => {
  const known = fields
    .map(field => classOf(field)![1])
    .filter(({ field }) => !String(field).startsWith('field_') && !String(field).startsWith('exp'))
  for (const { field, value, mask } of known)
    compareField(String(field), value as Json, mask as Json, ours, path, found)
}

const otherFields: Readonly<Record<string, string>> = {
  tunnel_id: 'tun_id',
  ipv6_flabel: 'ipv6_label',
  tun_ipv4_src: 'tun_src',
  tun_ipv4_dst: 'tun_dst',
  icmpv4_type: 'icmp_type',
  icmpv4_code: 'icmp_code',
  ipv4_src: 'ip_src',
  ipv4_dst: 'ip_dst',
  ipv6_nd_target: 'nd_target',
  ipv6_nd_sll: 'nd_sll',
  ipv6_nd_tll: 'nd_tll',
}

const numberOf = (value: Json): bigint => {
  if (typeof value === 'number') return BigInt(value)
  const text = String(value)
  if (/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/.test(text)) return BigInt(`0x${text.replaceAll(':', '')}`)
  if (/^\d+(\.\d+){3}$/.test(text))
    return text.split('.').reduce((sum, part) => sum * 256n + BigInt(part), 0n)
  const [head = '', tail] = text.split('::')
  const left = head === '' ? [] : head.split(':')
  const right = tail === undefined || tail === '' ? [] : tail.split(':')
  const words16 = [
    ...left,
    ...Array.from({ length: 8 - left.length - right.length }, () => '0'),
    ...right,
  ]
  return words16.reduce((sum, word) => (sum << 16n) | BigInt(`0x${word}`), 0n)
}

const compareField = (
  name: string,
  value: Json,
  mask: Json,
  ours: Members,
  path: string,
  found: string[],
): void => {
  const given = ours[otherFields[name] ?? name]
  const isMasked = typeof given === 'object' && given !== null
  const plain = isMasked
    ? (given as { value: number | bigint }).value
    : (given as number | bigint | undefined)
  if (plain === undefined || numberOf(value) !== BigInt(plain))
    found.push(`${path}/${name}: ${value} is ${plain}`)
  if (
    mask !== null &&
    (!isMasked || numberOf(mask) !== BigInt((given as { mask: number | bigint }).mask))
  )
    found.push(`${path}/${name}: mask ${mask}`)
}

const compareSetField = (members: Members, ours: Members, path: string, found: string[]): void => {
  const { field, value } = classOf(members.field as Json)![1]
  if (ours.kind === 'unknown') return
  compareField(
    String(field),
    value as Json,
    null,
    { [String(ours.field)]: ours.value },
    path,
    found,
  )
}
