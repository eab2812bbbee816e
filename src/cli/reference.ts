/** The verbs and what they take, read from the program itself: docs/cli.md and the man page are written from it. */
import type { Argument, Command, Option } from 'commander'
import { exitCodes } from './exit-codes.js'

interface Verb {
  /** `token create` */
  readonly name: string
  readonly command: Command
}

const isHelp = (command: Command): boolean => command.name() === 'help'

/** Every verb that can be run, those inside of others too. */
export const verbsOf = (command: Command, above = ''): readonly Verb[] => {
  const inner = command
    .createHelp()
    .visibleCommands(command)
    .filter(each => !isHelp(each))
  return inner.flatMap(each => {
    const name = above === '' ? each.name() : `${above} ${each.name()}`
    const own = verbsOf(each, name)
    return own.length > 0 ? own : [{ name, command: each }]
  })
}

export const argumentText = (argument: Argument): string => {
  const dots = argument.variadic ? '...' : ''
  return argument.required ? `<${argument.name()}${dots}>` : `[${argument.name()}${dots}]`
}

export const optionsOf = (command: Command): readonly Option[] =>
  command
    .createHelp()
    .visibleOptions(command)
    .filter(({ long }) => long !== '--help')

const choicesOf = (option: Option): string =>
  option.argChoices ? ` (${option.argChoices.join(', ')})` : ''

const usageOf = ({ name, command }: Verb): string =>
  ['sluice', name, ...command.registeredArguments.map(argumentText)].join(' ')

const cell = (text: string): string => text.replaceAll('|', '\\|')

/** As Markdown. */
export const referencePage = (program: Command): string => `# The command line

Written from the program; do not edit it here. \`sluice COMMAND --help\` says the same, \`sluice help --man\` as a man page.

## Exit codes

| code | means |
|---|---|
${Object.values(exitCodes)
  .map(({ code, means }) => `| ${code} | ${means} |`)
  .join('\n')}

## Options of every command

${optionTable(optionsOf(program))}

## Commands

${verbsOf(program)
  .map(verb => {
    const rows = verb.command.registeredArguments.map(
      argument => `| \`${argumentText(argument)}\` | ${cell(argument.description)} |`,
    )
    const options = optionsOf(verb.command)
    return [
      `### ${verb.name}`,
      '',
      `    ${usageOf(verb)}`,
      '',
      `${sentence(verb.command.description())}`,
      ...(rows.length + options.length === 0
        ? []
        : ['', '| | |', '|---|---|', ...rows, ...options.map(optionRow)]),
    ].join('\n')
  })
  .join('\n\n')}
`

const sentence = (text: string): string => `${text[0]?.toUpperCase()}${text.slice(1)}.`

const optionRow = (option: Option): string =>
  `| \`${cell(option.flags)}\` | ${cell(`${option.description}${choicesOf(option)}`)} |`

const optionTable = (options: readonly Option[]): string =>
  ['| | |', '|---|---|', ...options.map(optionRow)].join('\n')

/** Text for troff: a backslash, a dash, and a dot or quote at the start of a line mean something there. */
const roff = (text: string): string =>
  text
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replace(/^(?=[.'])/gm, '\\&')

/** As a man page, section 1. */
export const manPage = (program: Command, version: string): string =>
  [
    `.TH SLUICE 1 "" "sluice ${version}" "User Commands"`,
    '.SH NAME',
    'sluice \\- an SDN controller for Open vSwitch with a stateful firewall',
    '.SH SYNOPSIS',
    '.B sluice',
    '.I COMMAND',
    '[\\fIoptions\\fR] [\\fIarguments\\fR]',
    '.SH OPTIONS',
    ...optionsOf(program).flatMap(manOption),
    '.SH COMMANDS',
    ...verbsOf(program).flatMap(verb => [
      `.SS ${roff(usageOf(verb))}`,
      roff(sentence(verb.command.description())),
      ...verb.command.registeredArguments.flatMap(argument => [
        '.TP',
        `\\fI${roff(argument.name())}\\fR`,
        roff(argument.description),
      ]),
      ...optionsOf(verb.command).flatMap(manOption),
    ]),
    '.SH EXIT STATUS',
    ...Object.values(exitCodes).flatMap(({ code, means }) => [
      '.TP',
      `\\fB${code}\\fR`,
      roff(means),
    ]),
    '.SH FILES',
    '.TP',
    '\\fI~/.config/sluice/contexts.json\\fR',
    'controllers by name, with their tokens (0600)',
    '.TP',
    '\\fI~/.local/share/sluice\\fR',
    'the data folder of a controller that is given no other',
    '.SH ENVIRONMENT',
    roff(
      'SLUICE_SERVER, SLUICE_TOKEN, SLUICE_CA, SLUICE_DATA, SLUICE_CONTEXT, SLUICE_LOG, VISUAL, EDITOR',
    ),
    '',
  ].join('\n')

const manOption = (option: Option): readonly string[] => [
  '.TP',
  `\\fB${roff(option.flags)}\\fR`,
  roff(`${option.description}${choicesOf(option)}`),
]
