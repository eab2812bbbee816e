/** The network functions of this controller, one line each. */
import { dhcpFunction } from './dhcp/function.js'
import { dnsFunction } from './dns/function.js'
import { firewallFunction } from './firewall/function.js'
import { isRuntimeOf, type NetworkFunction } from './function.js'
import { natFunction } from './nat/function.js'
import { routerFunction } from './router/function.js'

export const functions: readonly NetworkFunction[] = [
  firewallFunction,
  routerFunction,
  natFunction,
  dhcpFunction,
  dnsFunction,
]

/** Whether a function puts and removes rows with this cookie at run time: they are no part of a program, and no drift. */
export const isRuntime = isRuntimeOf(functions)
