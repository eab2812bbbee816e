/**
 * OpenFlow 1.3 for the rest of the house: messages as values, `encode`, `decode`, text, and the
 * connection to a switch.
 *
 *     const bytes = encode({ kind: 'flow-mod', command: 'add', tableId: 3, match: { eth_type: 0x800 } }, xid)
 *     const message = decode(bytes)
 *     if (message.kind === 'flow-mod') message.priority   // every member is there after decode
 *
 * Sending takes a `Message` (members with a usual value may be left away), receiving gives a `Received`, which
 * has them all and is a `Message` too.
 */
export { checkActions, checkInstructions } from './actions/check-actions.js'
export { decode, encode, headerSize, setXid, unreadableOf, version, xidOf } from './codec.js'
export {
  type ErrorKind,
  type ErrorName,
  errorByName,
  errorKinds,
  errorName,
  errorTypes,
  findError,
} from './error-codes.js'
export { bundleFlags } from './messages/bundle.js'
export type { FlushFilter, FlushTuple } from './messages/ct-flush.js'
export { allTables, anyGroup, flowFlags, flowRemovedReasons } from './messages/flow.js'
export { allGroups } from './messages/group.js'
export type {
  FlowStats,
  GroupDescription,
  Message,
  MessageKind,
  MeterConfig,
  Received,
  ReceivedOf,
  Reply,
} from './messages/index.js'
export { meterFlags, meters } from './messages/meter.js'
export { monitorFlags } from './messages/monitor.js'
export { noBuffer, packetInReasons } from './messages/packet.js'
export { type PortDescription, portConfig, portState } from './messages/port.js'
export { type AsyncMasks, type Role, roles } from './messages/role.js'
export {
  FlowTextError,
  formatActions,
  formatFlow,
  formatGroup,
  formatMatch,
  formatMessage,
  formatMeter,
  formatPort,
  formatReceived,
  type PrintableFlow,
  parseFlowMod,
  parseGroupMod,
  parseMeterMod,
} from './print.js'
export { BundleError, type Refusal } from './session/confirmed-messages.js'
export {
  type ConnectionLimits,
  connectionLimits,
  SwitchConnection,
  type SwitchConnectionEvents,
} from './session/connection.js'
export type { PacketIn } from './session/punted.js'
export { ConnectionLost, NoAnswer, SwitchError } from './session/requests.js'
export {
  connectToSwitch,
  type ListenOptions,
  listenForSwitches,
  type RefusedInfo,
  type ServerLimits,
  type SwitchHandlers,
  type SwitchListener,
  serverLimits,
} from './session/server.js'
export { DecodeError } from './wire/decode-error.js'
export { Framer } from './wire/framing.js'
