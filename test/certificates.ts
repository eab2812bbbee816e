/** Certificates for tests, made as `ovs-pki` and docs/service.md make them. */
import { execFileSync } from 'node:child_process'
import { chmodSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const openssl = (folder: string, ...words: string[]) =>
  execFileSync('openssl', words, { cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] })

/** Paths of PEM files. */
export interface Signed {
  readonly key: string
  readonly certificate: string
  readonly authority: string
}

/** An authority, and names that it signs. */
export class Authority {
  readonly folder: string
  readonly #name: string

  constructor(folder: string, name: string) {
    this.folder = folder
    this.#name = name
    openssl(
      folder,
      ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'],
      ...['-keyout', `${name}.key`, '-out', `${name}.pem`, '-subj', `/CN=${name}`, '-days', '2'],
    )
  }

  /** @param alternative such as `DNS:localhost,IP:127.0.0.1` */
  sign(name: string, days = '2', alternative?: string): Signed {
    const { folder } = this
    openssl(
      folder,
      ...['req', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'],
      ...['-keyout', `${name}.key`, '-out', `${name}.csr`, '-subj', `/CN=${name}`],
    )
    if (alternative !== undefined)
      writeFileSync(join(folder, `${name}.ext`), `subjectAltName=${alternative}\n`)
    openssl(
      folder,
      ...['x509', '-req', '-in', `${name}.csr`, '-CA', `${this.#name}.pem`],
      ...['-CAkey', `${this.#name}.key`, '-CAcreateserial', '-out', `${name}.pem`, '-days', days],
      ...(alternative === undefined ? [] : ['-extfile', `${name}.ext`]),
    )
    chmodSync(join(folder, `${name}.key`), 0o600)
    const path = (file: string) => join(folder, file)
    return {
      key: path(`${name}.key`),
      certificate: path(`${name}.pem`),
      authority: path(`${this.#name}.pem`),
    }
  }
}
