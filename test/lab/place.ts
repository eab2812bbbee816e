/** An Open vSwitch, a controller beside it, and hosts plugged in as an operator does: for tests and benchmarks. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { clear, Ledger } from '../../src/lab/ledger.js'
import { type OvsPlace, startOvs } from '../../src/lab/ovs.js'
import { end, sh, start } from '../../src/lab/shell.js'
import { asUsersRun } from '../program.js'

/** Where to leave what is to be done at the end: a test, or anything else that keeps it. */
export interface Stack {
  teardown(undo: () => unknown): void
}

export interface Place extends OvsPlace {
  readonly data: string
  readonly ledger: Ledger
  /** Open vSwitch takes over what offloading leaves undone. */
  readonly isTso: boolean
  vsctl(...words: string[]): Promise<string>
  /** The command line, beside the controller. */
  sluice(...words: string[]): Promise<string>
}

let places = 0

/** An Open vSwitch and a running controller on the loopback of one namespace. */
export const place = async (t: Stack, isTso = false): Promise<Place> => {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-test-'))
  const ledgerPath = join(folder, 'ledger.json')
  const ledger = new Ledger(ledgerPath)
  t.teardown(async () => {
    await clear(ledgerPath)
    rmSync(folder, { recursive: true, force: true })
  })
  const ovs = await startOvs(ledger, `slt${process.pid}-${places++}`, isTso)
  const data = join(folder, 'data')
  const inside = ['netns', 'exec', ovs.namespace, 'env', ...asUsersRun()]
  const controller = start('ip', [...inside, 'run', '--data', data, '--openvswitch', ovs.folder], {
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  t.teardown(() => end(controller))
  await new Promise<void>((resolve, reject) => {
    controller.stdout!.once('data', () => resolve())
    controller.once('exit', () => reject(new Error('the controller ended')))
  })
  return {
    ...ovs,
    data,
    ledger,
    isTso,
    vsctl: (...words) => sh('ovs-vsctl', `--db=unix:${ovs.socket}`, ...words),
    sluice: (...words) => sh('ip', ...inside, '--data', data, ...words),
  }
}

/** A host on a port of the bridge, as an operator plugs it in. */
export const plug = async (
  { ledger, namespace, vsctl, isTso }: Place,
  bridge: string,
  number: number,
) => {
  const host = `${namespace}h${number}`
  const port = `p${number}`
  ledger.namespace(host)
  await sh('ip', 'netns', 'add', host)
  await sh(
    'ip',
    ...`link add ${port} netns ${namespace} type veth peer name eth0 netns ${host}`.split(' '),
  )
  if (!isTso) await sh('ip', 'netns', 'exec', host, 'ethtool', '-K', 'eth0', 'tx', 'off')
  await sh('ip', '-n', namespace, 'link', 'set', port, 'up')
  await sh('ip', '-n', host, 'addr', 'add', `10.9.0.${number}/24`, 'dev', 'eth0')
  await sh('ip', '-n', host, 'link', 'set', 'eth0', 'up')
  await vsctl('add-port', bridge, port)
  return host
}
