/**
 * Conntrack zones: 6 bits of slot, 10 bits of switch. A slot is a network, or a timeout in it; bridges of one
 * ovs-vswitchd share one connection table, so the switch is part of it.
 */
import { registers } from './registers.js'

const { offset, size } = registers.zoneSlot

/** Slot 0 is nobody's: programs that know nothing of zones use zone 0. */
export const lastSlot = 2 ** size - 1

/** The slot of connections of a network that have no timeout of their own. @param network its number */
export const slotOf = (network: number): number => network & lastSlot

export const zoneOf = (switchIndex: number, slot: number): number =>
  (slot << offset) | switchPart(switchIndex)

/** The slot of a zone. */
export const slotIn = (zone: number): number => zone >>> offset

/** What is published has one zone for a switch; 1 to 3 are those of datagrams in pieces and of reopened connections. */
export const publishedZoneOf = (switchIndex: number): number =>
  4 + (switchIndex % (2 ** offset - 4))

/** Every zone of a switch. */
export const zonesOf = (switchIndex: number): readonly number[] =>
  Array.from({ length: lastSlot }, (_, index) => zoneOf(switchIndex, index + 1))

/** The same slot's zone on the switch of another zone. */
export const siblingZone = (zone: number, slot: number): number => zoneOf(switchPart(zone), slot)

const switchPart = (zone: number): number => zone & (2 ** offset - 1)
