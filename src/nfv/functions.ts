/** The network functions of this controller, one line each. */
import { firewallRows } from './firewall/function-rows.js'
import { type FunctionRows, isRuntimeOf } from './function.js'

export const functions: readonly FunctionRows[] = [firewallRows]

/** Whether a function puts and removes rows with this cookie at run time: they are no part of a program, and no drift. */
export const isRuntime = isRuntimeOf(functions)
