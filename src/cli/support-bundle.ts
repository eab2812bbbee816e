/** `sluice support-bundle`: what somebody who helps needs to see, in one file, without secrets. */
import type { Command } from 'commander'
import type { Cli } from './cli.js'
import { type Client, Problem } from './client.js'
import type { Item } from './reading/get.js'
import { declaredKinds } from './reading/nouns.js'

/** Never asked for: tokens, the audit log, and the files of the data folder. */
const lists = [
  'switches',
  'links',
  'hosts',
  'drift',
  'policies',
  'rules',
  'sessions',
  'history',
  'flows',
]

/** Members that would hold a secret, were there one. */
const secretMember = /(token|secret|password|passphrase|psk|private)/i
const privateKey = /-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(-----END [A-Z ]*PRIVATE KEY-----|$)/g

/** A value without what looks like a secret; how it is made stays. */
export const withoutSecrets = (value: unknown): unknown => {
  if (typeof value === 'string') return value.replace(privateKey, '(left out)')
  if (Array.isArray(value)) return value.map(withoutSecrets)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value).map(([name, member]) => [
      name,
      secretMember.test(name) && typeof member === 'string' ? '(left out)' : withoutSecrets(member),
    ]),
  )
}

export const addSupportBundle = (
  program: Command,
  cli: Cli,
  client: () => Promise<Client>,
): void => {
  program
    .command('support-bundle')
    .description('what somebody who helps needs to see, in one file, without secrets')
    .argument('<file>', 'where to: JSON lines, of mode 0600')
    .action(async (file: string) => {
      const at = await client()
      const lines: object[] = [
        {
          part: 'about',
          version: cli.version,
          node: process.versions.node,
          system: process.platform,
        },
      ]
      const views = await at.get<{ items: { name: string }[] }>('/api/v1/views')
      const kinds = await declaredKinds(at)
      const parts = [
        ...[...lists, ...views.items.map(({ name }) => name)].map(name => [
          name,
          `/api/v1/${name}`,
        ]),
        ...kinds.map(({ kind, path }) => [kind, `/api/v1/objects/${path}`]),
      ]
      for (const [part, path] of parts) lines.push({ part, ...(await answered(at, path!)) })
      lines.push({ part: 'ready', ...(await answered(at, '/readyz')) })
      for (let since = 0; ; ) {
        const { items } = await at.get<{ items: Item[] }>(`/api/v1/events?since=${since}`)
        if (items.length === 0) break
        lines.push({ part: 'events', items })
        since = Number(items.at(-1)!.sequence)
      }
      const text = lines.map(line => `${JSON.stringify(withoutSecrets(line))}\n`).join('')
      await cli.disk.writeText(file, text, 0o600)
      cli.print(
        `${file}: ${lines.length} parts, ${text.length} octets; look at it before you give it away: addresses and names are in it`,
      )
    })
}

/** What is refused is told in its place. */
const answered = async (client: Client, path: string): Promise<object> => {
  try {
    return await client.get<object>(path)
  } catch (error) {
    if (error instanceof Problem) return { problem: error.body }
    throw error
  }
}
