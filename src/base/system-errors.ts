/** What the system says when a file cannot be used, in words for people. */

// biome-ignore format: a table
const words: Readonly<Record<string, string>> = {
  EACCES:       'the user that runs sluice may not use it',
  EAGAIN:       'it is in use',
  EBADF:        'it was closed',
  EBUSY:        'it is in use',
  EDQUOT:       'the quota of the disk is used up',
  EEXIST:       'there is a file where a folder is needed',
  EFBIG:        'it would be larger than files may be here',
  EINVAL:       'the system refuses it',
  EIO:          'the disk reports an error of input or output',
  EISDIR:       'it is a folder',
  EINTR:        'it was interrupted',
  ELOOP:        'its links lead in a circle',
  EMFILE:       'too many files are open',
  EMLINK:       'it has too many links',
  ENAMETOOLONG: 'its name is too long',
  ENFILE:       'too many files are open',
  ENODEV:       'its device is gone',
  ENOENT:       'there is no such file or folder',
  ENOMEM:       'no memory is left',
  ENOSPC:       'no space is left on the disk',
  ENOTEMPTY:    'the folder is not empty',
  ENOTDIR:      'there is a file where a folder is needed',
  ENXIO:        'it is no file that can be read',
  EPERM:        'the system does not permit it',
  EROFS:        'the disk can only be read',
  ESTALE:       'its disk was taken away',
  ETXTBSY:      'it is a program that runs',
  EXDEV:        'it is on another disk',
}

/** The words for an error of the system; undefined when it is another kind of error. */
export const systemWords = (error: unknown): string | undefined => {
  const code = error instanceof Error && 'code' in error ? String(error.code) : undefined
  return code === undefined ? undefined : words[code]
}

/** The same with the path that the error names, for people: `PATH: no space is left on the disk`. */
export const sentenceOf = (error: unknown): string => {
  const words = systemWords(error)
  if (words === undefined) return wordsOf(error)
  const path = error instanceof Error && 'path' in error ? `${error.path}: ` : ''
  return `${path}${words}`
}

/** The words for it, or else what the error says of itself. */
export const wordsOf = (error: unknown): string =>
  systemWords(error) ?? (error instanceof Error ? error.message : String(error))
