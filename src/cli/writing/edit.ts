/** `sluice edit`: an object or a policy in one's own editor, put in force when the file is saved and the editor ends. */
import type { Command } from 'commander'
import { Failure } from '../../base/failures.js'
import type { Cli } from '../cli.js'
import type { Client } from '../client.js'
import type { Item } from '../reading/get.js'
import { nounMeant } from '../reading/nouns.js'
import { UsageError } from '../usage.js'
import { stateText } from './declared.js'
import { FileMistakes } from './file-mistakes.js'
import { placed } from './objects.js'

export const addEdit = (program: Command, cli: Cli, client: () => Promise<Client>): void => {
  program
    .command('edit')
    .description('change an object or a policy in your editor (VISUAL, EDITOR, or vi)')
    .argument('<kind>', 'policy, or a kind of "sluice explain"')
    .argument('<name>', 'which')
    .action(async (kind: string, name: string) => {
      const at = await client()
      const noun = await nounMeant(at, kind)
      if (noun.plural === 'policies') return editPolicy(cli, at, name)
      if (noun.declared === undefined)
        throw new UsageError(
          `${noun.plural} are found or made, not declared: "sluice explain" lists what can be edited`,
        )
      return editObject(cli, at, noun.declared, name)
    })
}

/** Puts a text in force, or says where it is kept. @returns what to print */
const inEditor = async (
  cli: Cli,
  file: string,
  before: string,
  put: (text: string) => Promise<string>,
): Promise<void> => {
  const edited = await cli.edit(file, before)
  if (edited.text === before) {
    await edited.drop()
    return cli.print('nothing was changed')
  }
  let done: string
  try {
    done = await put(edited.text)
  } catch (error) {
    cli.complain(`sluice: what was written is kept in ${edited.path}`)
    throw error
  }
  await edited.drop()
  cli.print(done)
}

const editObject = async (cli: Cli, client: Client, kind: string, name: string): Promise<void> => {
  const address = `/api/v1/objects/${kind}/${encodeURIComponent(name)}`
  const object = await client.get<Item & { kind: string; revision: number; spec: unknown }>(address)
  const { stringify } = await import('yaml')
  const before = stringify({ kind: object.kind, name, spec: object.spec }, { lineWidth: 0 })
  await inEditor(cli, `${name}.yaml`, before, async text => {
    const { readObjects } = await import('./object-files.js')
    const documents = readObjects(`${name}.yaml`, text)
    const [document] = documents
    if (documents.length !== 1 || document?.kind !== object.kind || document.name !== name)
      throw new FileMistakes([
        `${name}.yaml: this edits ${object.kind} ${name}, one document; others are for "sluice apply"`,
      ])
    try {
      // What is wrong comes with its places; then what somebody else has changed meanwhile is not written over.
      await client.send('POST', '/api/v1/objects?dryRun=true', {
        objects: [{ kind: object.kind, name, spec: document.spec }],
      })
      const { change, status } = await client.send<{
        change: string
        status: { state: string; reason?: string }
      }>('PUT', address, { spec: document.spec }, { 'if-match': `"${object.revision}"` })
      return `${object.kind} ${name} ${change}: ${stateText(status)}`
    } catch (error) {
      throw placed(error, documents)
    }
  })
}

const editPolicy = async (cli: Cli, client: Client, name: string): Promise<void> => {
  const address = `/api/v1/policies/${encodeURIComponent(name)}`
  const policy = await client.get<Item & { source: string; includes: object }>(address)
  if (policy.watch === true)
    throw new Failure('bad-request', {
      detail: `Policy ${name} is that of a watched file: edit ${policy.file}.`,
    })
  await inEditor(cli, `${name}.rules`, policy.source, async source => {
    const body = { source, includes: policy.includes, order: policy.order }
    const seen = { 'if-match': `"${policy.changed}"` }
    const { state, change } = await client.send<Item>('PUT', address, body, seen)
    return `policy ${name} ${change}: ${state}`
  })
}
