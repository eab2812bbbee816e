import type { ErrorName } from '../openflow/index.js'

/** What a switch does not do; becomes an error message to whoever asked. */
export class Refusal extends Error {
  readonly answer: ErrorName

  constructor(answer: ErrorName) {
    super(answer)
    this.name = 'Refusal'
    this.answer = answer
  }
}

/** Takes back one change; a change that was made is a list of these. */
export type Undo = () => void
