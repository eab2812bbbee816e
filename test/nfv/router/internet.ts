/** Somebody else's network beyond a host of the lab, which forwards: a namespace with addresses that no host of ours has. */
import { sh } from '../../../src/lab/shell.js'

export class Internet {
  readonly #name: string
  readonly #provider: string

  private constructor(name: string, provider: string) {
    this.#name = name
    this.#provider = provider
  }

  /**
   * @param provider the namespace of the host that leads there
   * @param addresses with the lengths of their subnets; the provider has the last address but one of each
   */
  static async behind(
    provider: string,
    addresses: readonly (readonly [there: string, provider: string])[],
  ): Promise<Internet> {
    const internet = new Internet(`${provider}-inet`, provider)
    const { ip } = internet
    await ip('netns', 'add', internet.#name)
    await ip(
      'link',
      'add',
      'beyond',
      'netns',
      provider,
      'type',
      'veth',
      'peer',
      'eth0',
      'netns',
      internet.#name,
    )
    await internet.enter('ip', 'link', 'set', 'lo', 'up')
    await internet.enter('ip', 'link', 'set', 'eth0', 'up')
    await ip('-n', provider, 'link', 'set', 'beyond', 'up')
    for (const [there, here] of addresses) {
      const flags = there.includes(':') ? ['nodad'] : []
      await internet.enter('ip', 'addr', 'add', there, 'dev', 'eth0', ...flags)
      await ip('-n', provider, 'addr', 'add', here, 'dev', 'beyond', ...flags)
      await internet.enter('ip', 'route', 'add', 'default', 'via', here.split('/')[0]!)
    }
    await sh(
      'ip',
      'netns',
      'exec',
      provider,
      'sysctl',
      '-qw',
      'net.ipv4.ip_forward=1',
      'net.ipv6.conf.all.forwarding=1',
      'net.ipv4.icmp_ratelimit=0',
    )
    return internet
  }

  /** What a command prints there. */
  enter(...words: string[]): Promise<string> {
    return sh('ip', 'netns', 'exec', this.#name, ...words)
  }

  /** What a shell prints there, whether it succeeds or not. */
  run(line: string): Promise<string> {
    return this.enter('sh', '-c', `${line} 2>&1 || true`)
  }

  get namespace(): string {
    return this.#name
  }

  get ip() {
    return (...words: string[]) => sh('ip', ...words)
  }

  async down(): Promise<void> {
    await sh('ip', 'netns', 'del', this.#name)
  }

  get provider(): string {
    return this.#provider
  }
}
