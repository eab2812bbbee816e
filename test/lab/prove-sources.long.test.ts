/**
 * What programs that people have write into the kernel: firewalld, Docker, libvirt, OpenWrt, ufw, Proxmox, kube-proxy and others, in their
 * shapes. Each is imported with and without what is behind its interfaces; nothing may be wider than in the kernel.
 */
import { readdirSync, readFileSync } from 'node:fs'
import t from 'tap'
import { isRoot } from '../../src/lab/install.js'
import { originalOf } from '../../src/lab/prove/original.js'
import { formatConnection, prove } from '../../src/lab/prove/prove.js'
import { importers } from '../../src/nfv/firewall/import/index.js'
import { check } from '../../src/nfv/firewall/meaning/check.js'
import { noFacts } from '../../src/nfv/firewall/meaning/environment.js'
import { loadText } from '../../src/nfv/firewall/text/load.js'
import { Parser } from '../../src/nfv/firewall/text/parse.js'
import { formatOf, interfacesOf } from './sources.js'

const whole = new URL('../../../test/fixtures/imports/', import.meta.url)
/** One form of nft or iptables each. */
const small = new URL('small/', whole)
const skip = isRoot() ? false : 'it needs root for network namespaces'

/** These are no files of nft, or need modules of a bridge. */
const notLoaded = new Set(['iptables-nft.nft', 'bridge.nft'])

/** Of the small ones every fifteenth, which `npm run bench -- imports` has all of. */
const files = [whole, small].flatMap(folder =>
  readdirSync(folder)
    .sort()
    .filter((_, index) => folder === whole || index % 15 === 0)
    .map(file => [file, new URL(file, folder)] as const),
)
for (const [file, path] of files.filter(([file]) => formatOf(file, '') !== undefined)) {
  const source = readFileSync(path, 'utf8')
  const format = formatOf(file, source)
  if (format !== 'iptables' && format !== 'nft') continue
  for (const interfaces of [new Map<string, string>(), interfacesOf(source)])
    t.test(`${file}, ${interfaces.size} interfaces known`, { skip }, async t => {
      const { text } = importers[format]!(source, { interfaces })
      const loaded = loadText(new Parser(), 'imported.rules', text)
      t.equal(check([{ name: 'imported', order: 0, loaded }], noFacts(0)).exitCode, 0)
      if (notLoaded.has(file)) return
      const behind = new Map([...interfaces].map(([name, value]) => [name, value.split(',')]))
      const name = `sluice-sources-${process.pid}`
      const original = originalOf(format, source, behind, name, line => t.comment(line))
      const { wider, connections } = await prove(original, text, { count: 110, seed: 13 })
      t.same(wider.map(formatConnection), [])
      t.ok(connections > 100, `${connections} connections`)
    })
}
