/** Debian packages that the stages need, installed where they are missing; says so first. */
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { CommandFailed, start, trySh } from './shell.js'

export interface Need {
  readonly command: string
  readonly package: string
}

export const ovsNeeds: readonly Need[] = [
  { command: 'ovs-vswitchd', package: 'openvswitch-switch' },
  { command: 'ip', package: 'iproute2' },
  { command: 'ethtool', package: 'ethtool' },
  { command: 'ping', package: 'iputils-ping' },
]

export const mininetNeeds: readonly Need[] = [...ovsNeeds, { command: 'mn', package: 'mininet' }]

export const isRoot = (): boolean => process.getuid?.() === 0

/** Packages of which the command is not on the PATH. */
export const missingPackages = async (needs: readonly Need[]): Promise<string[]> => {
  const found = await Promise.all(
    needs.map(need => trySh('sh', '-c', `command -v ${need.command}`)),
  )
  return needs.filter((_, index) => found[index] === undefined).map(need => need.package)
}

/** @throws {CommandFailed} when a package cannot be installed */
export const ensurePackages = async (
  needs: readonly Need[],
  print: (text: string) => void,
  signal?: AbortSignal,
): Promise<void> => {
  const missing = await missingPackages(needs)
  if (missing.length === 0) return
  print(`Installing from Debian: ${missing.join(', ')} (apt-get, about a minute)`)
  await apt(['update'], print, signal)
  await apt(['install', '-y', '--no-install-recommends', ...missing], print, signal)
}

/** Several that find something missing at once wait for one another. */
const lockPath = join(tmpdir(), 'sluice-apt.lock')

const apt = (
  words: readonly string[],
  print: (text: string) => void,
  signal: AbortSignal | undefined,
): Promise<void> =>
  new Promise((resolve, reject) => {
    const child = start('flock', ['-w', '600', lockPath, 'apt-get', '-q', ...words], {
      stdio: ['ignore', 'pipe', 'pipe'],
      // No daemon is to start: the labs bring switches of their own.
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' },
      ...(signal && { signal }),
    })
    let complaint = ''
    child.stderr!.on('data', chunk => {
      complaint += String(chunk)
    })
    createInterface({ input: child.stdout! }).on('line', line => {
      if (/^(Get:|Unpacking|Setting up)/.test(line)) print(`  ${line.slice(0, 100)}`)
    })
    child.on('error', reject)
    child.on('exit', code =>
      code === 0
        ? resolve()
        : reject(new CommandFailed(`apt-get ${words.join(' ')}: ${complaint.trim()}`)),
    )
  })
