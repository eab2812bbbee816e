/** Figures of functions, for `/metrics`. */

export interface Family {
  readonly type: 'counter' | 'gauge'
  readonly help: string
  readonly labels: readonly string[]
}

/** By name. */
export type Families = Readonly<Record<string, Family>>

/** A value, with the values of the labels of its family in their order. */
export type Sample<Name extends string = string> = readonly [
  name: Name,
  value: number,
  ...labels: readonly string[],
]
