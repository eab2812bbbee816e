/** A private ovs-vswitchd in a network namespace of its own, on a private database. */
import { join } from 'node:path'
import { endByPidfile, RealServer, run, skipWithoutOvs } from '../../ovsdb/real-server.js'

/** For `skip`: false, or why. */
export const skipWithoutNamespaces: string | false =
  skipWithoutOvs || (process.getuid?.() === 0 ? false : 'network namespaces need root')

export class RealSwitch extends RealServer {
  static #count = 0
  readonly namespace = `slovsdb${process.pid}x${++RealSwitch.#count}`

  override async start(...more: string[]): Promise<void> {
    await super.start('--remote=db:Open_vSwitch,Open_vSwitch,manager_options', ...more)
    await this.vsctl('init')
    await run('ip', ['netns', 'add', this.namespace])
    await run('ip', ['-n', this.namespace, 'link', 'set', 'lo', 'up'])
    await this.startDaemon()
  }

  get #pidfile(): string {
    return join(this.folder, 'vswitchd.pid')
  }

  async startDaemon(): Promise<void> {
    const folders = ['OVS_RUNDIR', 'OVS_DBDIR', 'OVS_LOGDIR'].map(name => `${name}=${this.folder}`)
    await run('ip', [
      ...['netns', 'exec', this.namespace, 'env', ...folders],
      ...['ovs-vswitchd', `unix:${this.socket}`, '--disable-system'],
      ...[`--pidfile=${this.#pidfile}`, `--log-file=${join(this.folder, 'vswitchd.log')}`],
      ...[`--unixctl=${join(this.folder, 'vswitchd.ctl')}`, '--detach', '--no-chdir'],
      '-vconsole:off',
    ])
  }

  async stopDaemon(): Promise<void> {
    await endByPidfile(this.#pidfile)
  }

  async ofctl(bridge: string, command: string, ...words: string[]): Promise<string> {
    const at = `unix:${join(this.folder, `${bridge}.mgmt`)}`
    return (await run('ovs-ofctl', ['-O', 'OpenFlow13', command, at, ...words])).stdout
  }

  override async remove(): Promise<void> {
    await this.stopDaemon()
    await super.remove()
    // It may never have been made.
    await run('ip', ['netns', 'del', this.namespace]).catch(() => undefined)
  }
}
