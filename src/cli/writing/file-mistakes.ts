/** A file that cannot be sent: every mistake with its place. */
export class FileMistakes extends Error {
  override readonly name = 'FileMistakes'
  readonly mistakes: readonly string[]

  constructor(mistakes: readonly string[]) {
    super(mistakes.join('\n'))
    this.mistakes = mistakes
  }
}

const endings = /\.(ya?ml|json)$/

export const isObjectFile = (path: string): boolean => endings.test(path)
