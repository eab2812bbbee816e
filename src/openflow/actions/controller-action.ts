/** Nicira's `controller` in its two forms, ovs-actions(7), "The controller action": 20 with fixed members, 37 with properties. */
import type { Action } from '../values.js'
import type { Reader } from '../wire/reader.js'
import type { Writer } from '../wire/writer.js'

const usualMaxLength = 0xffff
const actionReason = 1

// biome-ignore format: a table
const controllerProperties = { maxLength: 0, controllerId: 1, reason: 2, userdata: 3, pause: 4, meter: 5 } as const

type ControllerAction = Extract<Action, { kind: 'controller' }>

const withoutUsual = (action: ControllerAction): ControllerAction => {
  const { maxLength, controllerId, reason, ...others } = action
  return {
    ...others,
    ...(maxLength === undefined || maxLength === usualMaxLength ? {} : { maxLength }),
    ...(controllerId === undefined || controllerId === 0 ? {} : { controllerId }),
    ...(reason === undefined || reason === actionReason ? {} : { reason }),
  }
}

const readControllerProperties = (reader: Reader): ControllerAction => {
  let action: ControllerAction = { kind: 'controller' }
  reader.skip(6)
  while (reader.remaining > 0) {
    const type = reader.u16()
    const size = reader.u16()
    const outer = reader.narrow(size - 4, 'OFPBAC_BAD_LEN')
    action = { ...action, ...readControllerProperty(reader, type) }
    reader.widen(outer, 'OFPBAC_BAD_LEN')
    if (size % 8 !== 0) reader.skip(8 - (size % 8))
  }
  return withoutUsual(action)
}

const readControllerProperty = (reader: Reader, type: number): Partial<ControllerAction> => {
  switch (type) {
    case controllerProperties.maxLength:
      return { maxLength: ending(reader, reader.u16()) }
    case controllerProperties.controllerId:
      return { controllerId: ending(reader, reader.u16()) }
    case controllerProperties.reason:
      return { reason: ending(reader, reader.u8()) }
    case controllerProperties.userdata:
      return { userdata: reader.rest() }
    case controllerProperties.pause:
      return { pause: ending(reader, true) }
    case controllerProperties.meter:
      return { meter: ending(reader, reader.u32()) }
    default:
      throw reader.error(`controller has no property ${type}`, 'OFPBAC_BAD_ARGUMENT')
  }
}

/** The value, with the padding behind it skipped. */
export const ending = <T>(reader: Reader, value: T): T => {
  reader.offset = reader.end
  return value
}

const writeProperty = (
  writer: Writer,
  type: number,
  size: number,
  write: (writer: Writer) => void,
): void => {
  const start = writer.mark()
  writer.u16(type)
  writer.u16(size)
  write(writer)
  writer.align8(start)
}

const writeControllerProperties = (writer: Writer, action: ControllerAction): void => {
  const { maxLength, controllerId, reason, userdata, pause, meter } = withoutUsual(action)
  const types = controllerProperties
  writer.zeros(6)
  if (maxLength !== undefined) writeProperty(writer, types.maxLength, 8, w => w.u16(maxLength))
  if (controllerId !== undefined)
    writeProperty(writer, types.controllerId, 8, w => w.u16(controllerId))
  if (reason !== undefined) writeProperty(writer, types.reason, 5, w => w.u8(reason))
  if (userdata !== undefined)
    writeProperty(writer, types.userdata, 4 + userdata.length, w => w.bytes(userdata))
  if (pause === true) writeProperty(writer, types.pause, 4, () => undefined)
  if (meter !== undefined) writeProperty(writer, types.meter, 8, w => w.u32(meter))
}

export const readController = (reader: Reader, number: number): ControllerAction => {
  if (number === 37) return readControllerProperties(reader)
  const maxLength = reader.u16()
  const controllerId = reader.u16()
  return withoutUsual({ kind: 'controller', maxLength, controllerId, reason: reader.u8() })
}

/** Gives the number of the form that was needed. */
export const writeController = (writer: Writer, action: ControllerAction): number => {
  const { userdata, pause, meter, maxLength, controllerId, reason } = action
  if (userdata !== undefined || pause === true || meter !== undefined) {
    writeControllerProperties(writer, action)
    return 37
  }
  writer.u16(maxLength ?? usualMaxLength)
  writer.u16(controllerId ?? 0)
  writer.u8(reason ?? actionReason)
  return 20
}
