/** Policies as people ask for them, and as they are kept. */

/** A policy as somebody asked for it. */
export interface PolicyWish {
  readonly name: string
  /** The text of the rule file. */
  readonly source: string
  /** Texts of included files, by the path in the `include`. */
  readonly includes?: Readonly<Record<string, string>>
  /** The file it was read from, for messages. */
  readonly file?: string
  /** Lower comes first; then by name. */
  readonly order?: number
  /** Edits of `file` are put in force as they come. */
  readonly watch?: boolean
}

export interface Policy extends PolicyWish {
  readonly order: number
  readonly changed: string
}

/** The entity tag of a policy as it is kept now. */
export const etagOf = (policy: Policy): string => `"${policy.changed}"`
