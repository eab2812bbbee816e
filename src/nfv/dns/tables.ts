/** The reason for which questions of DNS come to the controller; the value is the network where they came in. */
import { declarePunts } from '../../pipeline/userdata.js'

declare module '../../pipeline/userdata.js' {
  interface FunctionPunts {
    readonly dns: true
  }
}

declarePunts([['dns', 34, 'the name server of the network answers']])
