/** `sluice completion SHELL`: a script that asks the program itself what may come next, names of things among it. */
import { Argument, type Command, type Option } from 'commander'
import type { Cli } from './cli.js'
import type { Client } from './client.js'
import { readContexts } from './contexts.js'
import type { Item } from './reading/get.js'
import { isOfSwitch, knownPlurals, nameOfItem, nounMeant, singularOf } from './reading/nouns.js'

/** A key is pressed: whoever does not answer by then is not waited for. */
const patienceMillis = 300

// Scripts of the shells; the program answers a word a line.
const scripts = {
  bash: `_sluice() {
  local IFS=$'\\n'
  COMPREPLY=($(sluice complete -- "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null))
}
complete -o default -F _sluice sluice`,
  zsh: `#compdef sluice
_sluice() {
  local -a found
  found=("\${(@f)$(sluice complete -- "\${(@)words[2,CURRENT]}" 2>/dev/null)}")
  if [[ -n "\${found[1]}" ]]; then compadd -a found; else _files; fi
}
compdef _sluice sluice`,
  fish: `function __sluice_complete
  set -l words (commandline -opc) (commandline -ct)
  sluice complete -- $words[2..-1] 2>/dev/null
end
complete -c sluice -a '(__sluice_complete)'`,
}

export const addCompletion = (program: Command, cli: Cli, client: () => Promise<Client>): void => {
  program
    .command('completion')
    .description('a script for your shell, such as: source <(sluice completion bash)')
    .addArgument(new Argument('<shell>', 'which').choices(Object.keys(scripts)))
    .action((shell: keyof typeof scripts) => cli.print(scripts[shell]))
  program
    .command('complete', { hidden: true })
    .argument('[words...]')
    .allowUnknownOption()
    .action(async (words: string[]) => {
      const found = await Promise.race([
        nextWords(program, cli, client, words),
        cli.pause(patienceMillis).then(() => []),
      ])
      if (found.length > 0) cli.print(found.join('\n'))
    })
}

const optionNamed = (commands: readonly Command[], word: string): Option | undefined =>
  commands.flatMap(each => each.options).find(({ long, short }) => word === long || word === short)

const takesValue = (option: Option | undefined): boolean =>
  option !== undefined && (option.required || option.optional)

interface Place {
  readonly commands: readonly Command[]
  /** Words that are neither options nor their values, behind the command. */
  readonly given: readonly string[]
  /** The option whose value is typed now. */
  readonly option: Option | undefined
}

/** Where in a command its last word is. */
const placeOf = (program: Command, before: readonly string[]): Place => {
  const commands = [program]
  const given: string[] = []
  let option: Option | undefined
  for (const word of before) {
    if (option) {
      option = undefined
      continue
    }
    if (word.startsWith('-')) {
      const named = optionNamed(commands, word)
      option = takesValue(named) ? named : undefined
      continue
    }
    const inner = commands.at(-1)!.commands.find(each => each.name() === word)
    if (inner && given.length === 0) commands.push(inner)
    else given.push(word)
  }
  return { commands, given, option }
}

const nextWords = async (
  program: Command,
  cli: Cli,
  client: () => Promise<Client>,
  words: readonly string[],
): Promise<readonly string[]> => {
  const typed = words.at(-1) ?? ''
  const place = placeOf(program, words.slice(0, -1))
  const all = await candidates(place, typed, cli, client)
  return [...new Set(all)].filter(word => word.startsWith(typed)).sort()
}

/** The verbs whose first word is a kind, and the others names. */
const ofKinds: ReadonlySet<string> = new Set(['get', 'describe', 'wait', 'edit', 'delete'])
/** The kinds of names that a verb takes. */
const ofNames: Readonly<Record<string, string>> = {
  trace: 'hosts',
  path: 'hosts',
  adopt: 'switches',
}

const kindWords = [...knownPlurals, ...knownPlurals.map(singularOf)]

const candidates = async (
  { commands, given, option }: Place,
  typed: string,
  cli: Cli,
  client: () => Promise<Client>,
): Promise<readonly string[]> => {
  const command = commands.at(-1)!
  if (option) {
    if (option.long === '--context')
      return Object.keys((await readContexts(cli.disk, cli.variables)).contexts)
    return option.argChoices ?? []
  }
  if (typed.startsWith('-'))
    return commands.flatMap(each =>
      each.options.flatMap(({ long, hidden }) => (long && !hidden ? [long] : [])),
    )
  const verbs = command.createHelp().visibleCommands(command)
  if (verbs.length > 0) return verbs.map(each => each.name())
  const choices = command.registeredArguments[given.length]?.argChoices
  if (choices) return choices
  const verb = command.name()
  if (verb === 'help') return commands[0]!.commands.map(each => each.name())
  if (verb === 'explain' || (ofKinds.has(verb) && given.length === 0)) return kindWords
  const kind = ofKinds.has(verb) ? given[0] : ofNames[verb]
  return kind === undefined ? [] : namesOf(await client(), kind)
}

const namesOf = async (client: Client, kind: string): Promise<readonly string[]> => {
  const meant = await nounMeant(client, kind)
  // A name chooses the switch that they are of.
  const noun = isOfSwitch(meant) ? await nounMeant(client, 'switches') : meant
  const paths = [noun.found?.path, noun.declared && `/api/v1/objects/${noun.declared}`]
  const lists = await Promise.all(
    paths.flatMap(path => (path ? [client.get<{ items: Item[] }>(path)] : [])),
  )
  return lists.flatMap(({ items }) =>
    items.flatMap(item => {
      const name = noun.plural === 'rules' ? item.name : (item.name ?? nameOfItem(noun, item))
      return typeof name === 'string' ? [name] : []
    }),
  )
}
