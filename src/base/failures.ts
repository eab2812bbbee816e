/**
 * What an operator must know when something cannot be done: one table of codes, each with its
 * HTTP status and one sentence that says what to do next. REST answers problem+json from it,
 * `docs/failures.md` is kept in step with it by a test.
 */
interface FailureKind {
  readonly status: number
  readonly title: string
  /** What to do next. `{name}` is replaced from the context. */
  readonly hint: string
}

// biome-ignore format: a table
export const failures = {
  'bad-request':         { status: 400, title: 'The request cannot be understood',         hint: '{detail}' },
  'bad-rules':           { status: 400, title: 'The rule file has mistakes',               hint: 'Correct the lines listed in complaints; nothing was changed.' },
  'bad-document':        { status: 400, title: 'The document is not valid',                hint: '{detail}' },
  'bad-objects':         { status: 400, title: 'The objects have mistakes',                hint: 'Correct what is listed in complaints; nothing was changed.' },
  'no-token':            { status: 401, title: 'A token is needed here',                   hint: 'This needs the role {needs}. Send "Authorization: Bearer TOKEN": the first admin\'s is in the file DIR/token of the data folder, others are made by "sluice token create".' },
  'wrong-token':         { status: 401, title: 'The token is not valid here',              hint: 'It was revoked, or is of another controller. The first admin\'s token is in the file DIR/token of this controller\'s data folder.' },
  'token-ended':         { status: 401, title: 'The token has ended',                      hint: '{name} was good until {expires}; an admin makes another: sluice token revoke {name}, then sluice token create.' },
  'wrong-certificate':   { status: 401, title: 'The certificate is not known here',        hint: 'The certificate of {name} opens nothing: {why}.' },
  'forbidden':           { status: 403, title: 'The role may not do this',                 hint: '{name} has the role {role}; this needs {needs}. An admin makes such a token: sluice token create NAME --role ROLE.' },
  'out-of-scope':        { status: 403, title: 'The token is for other policies',          hint: '{token} may change the policies {policies}; {name} is none of them.' },
  'too-many-requests':   { status: 429, title: 'Too many requests',                        hint: 'More than {perSecond} a second for a while; ask again in {retryAfter} s.' },
  'taken':               { status: 409, title: 'The name is taken',                        hint: 'There is a token named {name} already; choose another name, or revoke it first.' },
  'alien-host':          { status: 421, title: 'The Host header names another server',     hint: 'Use one of the names this controller was started with.' },
  'alien-origin':        { status: 403, title: 'Requests from this origin are refused',    hint: 'Open the page from the controller\'s own address.' },
  'file-not-allowed':    { status: 403, title: 'This file may not be watched',             hint: '{path} is no rule file (*.rules) below {folders}; name more folders with "sluice run --rule-folders", or apply it without watching.' },
  'unreadable-file':     { status: 409, title: 'The file cannot be read',                  hint: '{path}: {why}.' },
  'not-found':           { status: 404, title: 'There is no such resource',                hint: 'No {what} is named {name}; {list} lists those that exist.' },
  'no-route':            { status: 404, title: 'There is no such address in this API',     hint: 'GET /api/v1/openapi.json lists all of them.' },
  'revision-conflict':   { status: 412, title: 'Somebody else changed it in the meantime', hint: 'Read {name} again, repeat the change on what is there now.' },
  'not-confirmed':       { status: 409, title: 'A change waits to be confirmed',           hint: 'Change {number} is taken back unless it is confirmed: "sluice confirm", or "sluice undo" now.' },
  'nothing-waits':       { status: 404, title: 'No change waits to be confirmed',          hint: 'It was confirmed or taken back already; "sluice history" tells.' },
  'nothing-to-undo':     { status: 404, title: 'Every change is taken back',               hint: 'There is nothing before the first change that is remembered (the last 50 are); "sluice history" lists them, and "sluice undo NUMBER" takes an undo back.' },
  'no-such-switch':      { status: 404, title: 'The switch is not known',                  hint: 'No switch is {name}; "sluice get switches" lists those that are known.' },
  'not-to-be-adopted':   { status: 404, title: 'No such switch waits to be adopted',       hint: 'No connected switch named {name} is left alone for its rows; "sluice get switches" lists those that are as not-adopted.' },
  'no-such-host':        { status: 404, title: 'The host is not known',                    hint: 'No host is {name}; it is learnt when it sends its first packet, and has a name when a Host declares one.' },
  'ambiguous':           { status: 409, title: 'The name means more than one',             hint: '{name} means {candidates}; name one of these.' },
  'still-connected':     { status: 409, title: 'The switch is connected',                  hint: '{name} is here, and would be known again at once; take this controller from it first: ovs-vsctl del-controller BRIDGE.' },
  'declared':            { status: 409, title: 'It is declared',                           hint: 'Delete the object first: sluice delete {what} {name}.' },
  'no-path':             { status: 409, title: 'There is no path',                         hint: 'No path leads from {from} to {to}, so no traffic passes; "sluice get links" shows which links are up.' },
  'path-too-hard':       { status: 422, title: 'No path was found in time',                hint: 'There may be one; ask with fewer conditions, or fewer switches to pass.' },
  'too-much-work':       { status: 422, title: 'It takes too much to look at',             hint: 'It was given up because {why}; make less of it, or several parts. Nothing was changed.' },
  'busy':                { status: 503, title: 'Too many questions wait already',          hint: 'Ask again in a while; {waiting} wait before this one.' },
  'timed-out':           { status: 504, title: 'It did not happen in time',                hint: '{detail}' },
  'store-failed':        { status: 507, title: 'The store cannot be written',              hint: '{why} ({path}). Nothing was changed; sluice goes on with what it has, and writes again as soon as that is possible.' },
  'already-running':     { status: 409, title: 'Another controller uses this data folder', hint: 'Stop {owner}, or choose another folder with --data.' },
  'no-lock':             { status: 500, title: 'The data folder cannot be locked',         hint: '{path}: {why}.' },
  'address-in-use':      { status: 409, title: 'The address is taken',                     hint: 'Choose another one with {option}; {address} is in use.' },
  'unsafe-address':      { status: 400, title: 'This address is not loopback',             hint: '{address} is beyond loopback: there OpenFlow needs openflowTls (key, certificate, authority), and the API rest.tls (key, certificate), in the file of --config; docs/service.md shows how they are made. Or use a loopback address.' },
  'not-trusted':         { status: 502, title: 'The certificate of this controller is not believed', hint: '{address}: {why}. Give the file of its authority with --ca, or "sluice login --ca"; the address must be one of the names in the certificate.' },
  'unsafe-file':         { status: 500, title: 'A secret file can be read by others',      hint: 'Run: chmod 600 {path}' },
  'no-secret':           { status: 500, title: 'A secret file holds no secret',            hint: 'Remove {path}, or restore it; a new one is made at the next start.' },
  'unreachable':         { status: 503, title: 'There is no controller at this address',   hint: 'Start one with "sluice run", or set SLUICE_SERVER; tried {address}.' },
  'no-answer':           { status: 504, title: 'The controller gave no answer',            hint: 'The connection to {address} ended before ({detail}). What was asked may have been done: look with "sluice get", and at the log of the controller.' },
  'store-too-new':       { status: 500, title: 'The store was written by a newer sluice',  hint: 'Start that version again, or use another data folder than {path}.' },
  'store-damaged':       { status: 500, title: 'The store cannot be read',                 hint: '{why} ({path}). Restore the whole data folder from a backup, or move {path} and its copy away and start anew; switches keep their rows until "sluice adopt".' },
  'store-there':         { status: 409, title: 'There is a store already',                 hint: 'Nothing was written over: move {path} and its copy away, or name another folder with --data.' },
  'backup-damaged':      { status: 400, title: 'The backup cannot be read',                hint: '{path}: {why}. Nothing was restored; take another backup.' },
  'backup-too-new':      { status: 400, title: 'The backup was written by a newer sluice', hint: '{path} is of format {version}: restore it with that version.' },
} as const satisfies Record<string, FailureKind>

export type FailureCode = keyof typeof failures

export class Failure extends Error {
  readonly code: FailureCode
  readonly context: Readonly<Record<string, unknown>>

  constructor(code: FailureCode, context: Record<string, unknown> = {}, options?: ErrorOptions) {
    super(`${failures[code].title}. ${fill(failures[code].hint, context)}`, options)
    this.name = 'Failure'
    this.code = code
    this.context = context
  }
  get status(): number {
    return failures[this.code].status
  }
  /** RFC 9457 problem details. */
  toProblem(): Record<string, unknown> {
    return {
      type: `urn:sluice:failure:${this.code}`,
      title: failures[this.code].title,
      status: this.status,
      detail: fill(failures[this.code].hint, this.context),
      code: this.code,
      ...this.context,
    }
  }
}

const fill = (sentence: string, context: Record<string, unknown>): string =>
  sentence.replace(/\{(\w+)\}/g, (_, name: string) => String(context[name] ?? `{${name}}`))
