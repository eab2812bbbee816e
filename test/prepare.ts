/** Before the tests: as root, what Debian has of what the labs need is installed; otherwise it is said what is left out. */
import { ensurePackages, isRoot, mininetNeeds } from '../src/lab/install.js'

const say = (text: string): void => {
  process.stdout.write(`${text}\n`)
}

if (isRoot()) await ensurePackages(mininetNeeds, say)
else
  say(
    'Not root: tests on Open vSwitch in network namespaces and in Mininet are left out, each with its reason. Run as root for all of them.',
  )
