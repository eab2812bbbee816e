/** The configuration file of `sluice run`: YAML, every member optional, unknown ones refused with their place. */

import { dirname, resolve } from 'node:path'
import { Ajv } from 'ajv'
import Type, { type Static } from 'typebox'
import { type Document, LineCounter, parseDocument } from 'yaml'
import type { Disk } from '../base/env/env.js'
import { Failure } from '../base/failures.js'
import { mistakeText, schemaMistakes } from '../base/schema-mistakes.js'
import type { RestSettings } from './rest/listeners.js'
import { roleSchema } from './rights/rights.js'

const restSchema = Type.Object(
  {
    /** HOST:PORT, one or several; loopback is plain, or TLS as https://HOST:PORT, everything else is TLS. */
    listen: Type.Optional(Type.Union([Type.String(), Type.Array(Type.String(), { minItems: 1 })])),
    tls: Type.Optional(
      Type.Object(
        {
          key: Type.String(),
          certificate: Type.String(),
          /** Who signs the certificates of clients. */
          clientAuthority: Type.Optional(Type.String()),
        },
        { additionalProperties: false },
      ),
    ),
    /** More names that it is called by, besides those in its certificate. */
    names: Type.Optional(Type.Array(Type.String())),
    /** Addresses and networks of proxies that say whom they ask for. */
    trustProxy: Type.Optional(
      Type.Union([Type.String(), Type.Array(Type.String(), { minItems: 1 })]),
    ),
    /** Roles of clients by the common name of their certificate. */
    clients: Type.Optional(Type.Record(Type.String(), roleSchema)),
    /** Requests a second of one token; 100 when it is not said. */
    requestsPerSecond: Type.Optional(Type.Integer({ minimum: 1 })),
  },
  {
    additionalProperties: false,
    title: 'HOST:PORT, or listen, tls, names, trustProxy, clients and requestsPerSecond',
  },
)

export const configSchema = Type.Object(
  {
    openflow: Type.Optional(Type.Union([Type.String(), Type.Array(Type.String())])),
    /** Switches that we call: tcp:HOST:PORT or ssl:HOST:PORT. */
    connect: Type.Optional(Type.Array(Type.String())),
    openflowTls: Type.Optional(
      Type.Object(
        {
          key: Type.String(),
          certificate: Type.String(),
          authority: Type.String(),
          /** The name in the certificate of a switch, by dpid. */
          names: Type.Optional(
            Type.Record(Type.String({ pattern: '^[0-9a-f]{16}$' }), Type.String(), {
              additionalProperties: false,
              title: 'dpids of 16 hex digits',
            }),
          ),
        },
        { additionalProperties: false },
      ),
    ),
    rest: Type.Optional(Type.Union([Type.String(), restSchema])),
    /** Where the paths of Ryu's firewall are served; absent: nowhere. */
    ryuFirewall: Type.Optional(Type.String()),
    /** Packets of one switch that are looked at each second; 4000 when it is not said. */
    packetsPerSecond: Type.Optional(Type.Integer({ minimum: 1 })),
    /** How long a switch that is gone is remembered while nothing declares it; 7 when it is not said. */
    forgetAfterDays: Type.Optional(Type.Integer({ minimum: 1, maximum: 3_650 })),
    /** How soon a link that fails silently is found: usual 1 s, fast 0.3 s for more than four times the probes. */
    discovery: Type.Optional(Type.Union([Type.Literal('usual'), Type.Literal('fast')])),
    /** How much of what ports send is believed, where neither port nor network says; docs/topology.md. */
    guard: Type.Optional(
      Type.Union([Type.Literal('off'), Type.Literal('default'), Type.Literal('strict')]),
    ),
    data: Type.Optional(Type.String()),
    rules: Type.Optional(Type.Array(Type.String())),
    /** Where policies may name rule files to be watched; by default where it was started. */
    ruleFolders: Type.Optional(Type.Array(Type.String())),
    /** A file of `rules` that is missing or wrong, and was never in force, leaves everything open instead of closed. */
    open: Type.Optional(Type.Boolean()),
  },
  { additionalProperties: false },
)

export type Config = Static<typeof configSchema>

/** Paths in the file are meant from the folder of the file, wherever sluice is started. */
const besides = (file: string, config: Config): Config => {
  const near = (path: string): string => resolve(dirname(file), path)
  const { data, rules, ruleFolders, openflowTls, rest } = config
  return {
    ...config,
    ...(data !== undefined && { data: near(data) }),
    ...(rules && { rules: rules.map(near) }),
    ...(ruleFolders && { ruleFolders: ruleFolders.map(near) }),
    ...(openflowTls && {
      openflowTls: {
        ...openflowTls,
        key: near(openflowTls.key),
        certificate: near(openflowTls.certificate),
        authority: near(openflowTls.authority),
      },
    }),
    ...(typeof rest === 'object' &&
      rest.tls && {
        rest: {
          ...rest,
          tls: {
            key: near(rest.tls.key),
            certificate: near(rest.tls.certificate),
            ...(rest.tls.clientAuthority !== undefined && {
              clientAuthority: near(rest.tls.clientAuthority),
            }),
          },
        },
      }),
  }
}

/** Addresses on the command line win over those of the file. */
export const restSettings = (
  given: readonly string[] | undefined,
  { rest }: Config,
): RestSettings => {
  const { listen, trustProxy, ...more } = typeof rest === 'object' ? rest : { listen: rest }
  return {
    ...more,
    listen: given ?? [listen ?? '127.0.0.1:8080'].flat(),
    ...(trustProxy !== undefined && { trustProxy: [trustProxy].flat() }),
  }
}

/** @throws {Failure} `bad-document` with file, line and column */
export const readConfig = async (disk: Disk, path: string): Promise<Config> => {
  const lines = new LineCounter()
  const document = parseDocument(await disk.readText(path), { lineCounter: lines })
  const problem = document.errors[0]
  const complain = (offset: number, message: string) => {
    const { line, col } = lines.linePos(offset)
    return new Failure('bad-document', { detail: `${path}:${line}:${col}: ${message}` })
  }
  if (problem) throw complain(problem.pos[0], problem.message.split('\n')[0]!)
  const value: unknown = document.toJS({ maxAliasCount: 10 }) ?? {}
  const validate = new Ajv({ allErrors: true, verbose: true }).compile<Config>(configSchema)
  if (validate(value)) return besides(path, value)
  const [first] = schemaMistakes(validate.errors ?? [])
  throw complain(offsetOf(document, first!.path), mistakeText(first!, 'the file'))
}

/** Where a member is, or the nearest one above it that is there. */
const offsetOf = (document: Document, path: readonly string[]): number => {
  for (let length = path.length; length > 0; length--) {
    const node = document.getIn(path.slice(0, length), true) as { range?: number[] } | undefined
    if (node?.range?.[0] !== undefined) return node.range[0]
  }
  return 0
}
