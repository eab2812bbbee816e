/**
 * Files of other firewalls, imported, checked, and held against the original where it runs: one row of a table for each file, then sums.
 * Rule files of our own are checked.
 *
 *     npm run bench -- imports FOLDER... [--interfaces] [--count=N] [--seed=N]
 *
 * `--interfaces`: each interface that a file names has a network of its own behind it, so that rules about it can be said.
 */
import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { originalOf } from '../src/lab/prove/original.js'
import { formatConnection, type Proof, prove } from '../src/lab/prove/prove.js'
import { CommandFailed } from '../src/lab/shell.js'
import { ImportError, type Imported, importers } from '../src/nfv/firewall/import/index.js'
import { checkFiles } from '../src/nfv/firewall/meaning/check-files.js'
import { formatOf, interfacesOf } from '../test/lab/sources.js'

interface Wanted {
  readonly isWithInterfaces: boolean
  readonly count: number
  readonly seed: number
}

interface Row {
  readonly file: string
  readonly format: string
  readonly imported?: Imported
  readonly proof?: Proof
  readonly said: string
}

export const run = async (words: readonly string[]): Promise<void> => {
  const folders = words.filter(word => !word.startsWith('--'))
  const numberOf = (name: string, usual: number) =>
    Number(words.find(word => word.startsWith(`--${name}=`))?.split('=')[1] ?? usual)
  const wanted = {
    isWithInterfaces: words.includes('--interfaces'),
    count: numberOf('count', 300),
    seed: numberOf('seed', 1),
  }
  const rows: Row[] = []
  print('| file | format | taken | closed | left out | connections | narrower | WIDER | said |')
  print('| --- | --- | --- | --- | --- | --- | --- | --- | --- |')
  for (const folder of folders)
    for (const name of readdirSync(folder).sort()) {
      const row = await look(folder, name, wanted)
      if (row === undefined) continue
      rows.push(row)
      print(textOf(row))
    }
  print(sumsOf(rows))
  if (rows.some(({ proof }) => (proof?.wider.length ?? 0) > 0)) process.exitCode = 1
}

const print = (text: string): void => {
  process.stdout.write(`${text}\n`)
}

const look = async (folder: string, file: string, wanted: Wanted): Promise<Row | undefined> => {
  const path = join(folder, file)
  if (file.endsWith('.rules')) return { file, format: 'sluice', said: checkText(path) }
  const source = readFileSync(path, 'utf8')
  const format = formatOf(file, source)
  const read = format === undefined ? undefined : importers[format]
  if (format === undefined || read === undefined) return undefined
  const interfaces = wanted.isWithInterfaces ? interfacesOf(source) : new Map<string, string>()
  let imported: Imported
  try {
    imported = read(source, { interfaces })
  } catch (error) {
    if (!(error instanceof ImportError)) throw error
    return {
      file,
      format,
      said: `refused: ${error.line > 0 ? `${error.line}: ` : ''}${error.message}`,
    }
  }
  const { text, isGood } = await checkFiles(
    [{ name: 'imported', path: '/imported.rules', source: imported.text, includes: {} }],
    0,
  )
  if (!isGood) return { file, format, imported, said: `CHECK: ${text.split('\n')[0]}` }
  try {
    const behind = new Map([...interfaces].map(([name, value]) => [name, value.split(',')]))
    const original = originalOf(format, source, behind, `sluice-bench-${process.pid}`, print)
    const proof = await prove(original, imported.text, wanted)
    // What a dump says nothing of is closed here, and open in a kernel without it.
    const isSilent = (version: 4 | 6) =>
      imported.notes.some(({ message }) => message.includes(`says nothing of IPv${version}`))
    const narrower = proof.narrower.filter(
      ({ source: address }) => !isSilent(address.includes(':') ? 6 : 4),
    )
    const said = proof.wider.slice(0, 2).map(formatConnection).join('; ')
    return { file, format, imported, proof: { ...proof, narrower }, said }
  } catch (error) {
    if (!(error instanceof CommandFailed)) throw error
    return {
      file,
      format,
      imported,
      said: `not loaded: ${error.message.split('\n').slice(-3).join(' ')}`,
    }
  }
}

const checkText = (path: string): string => {
  const command = fileURLToPath(new URL('../src/sluice.js', import.meta.url))
  try {
    execFileSync(process.execPath, [command, 'check', path], { stdio: 'pipe' })
    return 'accepted'
  } catch (error) {
    const { stdout = '', stderr = '' } = error as { stdout?: Buffer; stderr?: Buffer }
    return `CHECK: ${`${stdout}${stderr}`.trim().split('\n').slice(0, 3).join(' ')}`
  }
}

const textOf = ({ file, format, imported, proof, said }: Row): string => {
  const { taken, closed, leftOut } = imported?.summary ?? {}
  const figures = [taken, closed, leftOut, proof?.connections, proof?.narrower.length]
  const cells = [...figures, proof?.wider.length].map(value => value ?? '')
  return `| ${[file, format, ...cells, said.replaceAll('|', '\\|')].join(' | ')} |`
}

const sumsOf = (rows: readonly Row[]): string => {
  const sum = (of: (row: Row) => number | undefined) =>
    rows.reduce((all, row) => all + (of(row) ?? 0), 0)
  return [
    `${rows.length} files`,
    `${sum(row => row.imported?.summary.taken)} rules taken`,
    `${sum(row => row.imported?.summary.closed)} closed`,
    `${sum(row => row.imported?.summary.leftOut)} left out`,
    `${rows.filter(row => row.said.startsWith('refused')).length} files refused`,
    `${sum(row => row.proof?.connections)} connections compared`,
    `${sum(row => row.proof?.narrower.length)} narrower`,
    `${sum(row => row.proof?.wider.length)} WIDER`,
  ].join(', ')
}
