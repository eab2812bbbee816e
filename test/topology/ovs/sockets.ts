/**
 * Sockets of real switches for machines that are simulated: a cable from each into a namespace, where one process hands on
 * what comes in and sends what it is told to, with all its tags as they were on the wire.
 *
 *     machine ── frames as text ── process ── cable ── switch
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { sh } from '../../../src/lab/shell.js'

/** The kernel takes the outermost tag off and tells of it beside the frame (packet(7), PACKET_AUXDATA). */
const relay = `import select, socket, struct, sys
wires = {}
for name in sys.argv[1:]:
    wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
    wire.bind((name, 0))
    wire.setsockopt(263, 8, 1)
    wires[wire] = name
byName = {name: wire for wire, name in wires.items()}
print('ready', flush=True)
text = b''
while True:
    for each in select.select([sys.stdin.fileno(), *wires], [], [])[0]:
        if each not in wires:
            got = __import__('os').read(each, 65536)
            if not got: sys.exit(0)
            text += got
            *lines, text = text.split(b'\\n')
            for line in lines:
                name, octets = line.decode().split(' ')
                try: byName[name].send(bytes.fromhex(octets))
                except OSError: pass
            continue
        try: frame, beside, _, sender = each.recvmsg(9000, 256)
        except OSError: continue
        if sender[2] == socket.PACKET_OUTGOING: continue
        for level, kind, data in beside:
            if level == 263 and kind == 8:
                status, _, _, _, _, tag, ethertype = struct.unpack('IIIHHHH', data[:20])
                if status & 16: frame = frame[:12] + struct.pack('!HH', ethertype, tag) + frame[12:]
        print(wires[each], frame.hex(), flush=True)
`

export interface SocketPlace {
  /** As frames are told of. */
  readonly name: string
  /** The namespace of the daemon, and its database. */
  readonly namespace: string
  readonly database: string
  readonly bridge: string
  /** Absent: the switch chooses. */
  readonly port?: number
}

export class Sockets {
  readonly #namespace: string
  readonly #devices = new Map<string, { readonly inside: string; readonly place: SocketPlace }>()
  #relay: ChildProcess | undefined
  /** By socket. */
  readonly receivers = new Map<string, (frame: Uint8Array) => void>()

  /** @param namespace to be made for the ends of the cables */
  constructor(namespace: string) {
    this.#namespace = namespace
  }

  async plug(places: readonly SocketPlace[]): Promise<void> {
    const here = this.#namespace
    await sh('ip', 'netns', 'add', here)
    await sh('ip', 'netns', 'exec', here, 'sysctl', '-qw', 'net.ipv6.conf.default.disable_ipv6=1')
    for (const [index, place] of places.entries()) {
      const [outer, inside] = [`o${index}${place.bridge}`, `i${index}`]
      await sh(
        'ip',
        ...`link add ${inside} netns ${here} type veth peer name ${outer} netns ${place.namespace}`.split(
          ' ',
        ),
      )
      const quiet = `net.ipv6.conf.${outer}.disable_ipv6=1`
      await sh('ip', 'netns', 'exec', place.namespace, 'sysctl', '-qw', quiet)
      await sh('ip', '-n', place.namespace, 'link', 'set', outer, 'up')
      await sh('ip', '-n', here, 'link', 'set', inside, 'up')
      await sh(
        'ovs-vsctl',
        `--db=unix:${place.database}`,
        ...`add-port ${place.bridge} ${outer}`.split(' '),
        ...(place.port === undefined
          ? []
          : `-- set Interface ${outer} ofport_request=${place.port}`.split(' ')),
      )
      this.#devices.set(place.name, { inside, place })
    }
    const names = new Map([...this.#devices].map(([name, { inside }]) => [inside, name]))
    const words = ['netns', 'exec', here, '/usr/bin/python3', '-c', relay, ...names.keys()]
    const child = spawn('ip', words, { stdio: ['pipe', 'pipe', 'inherit'] })
    this.#relay = child
    const lines = createInterface(child.stdout!)
    await once(lines, 'line')
    lines.on('line', line => {
      const [inside = '', octets = ''] = line.split(' ')
      this.receivers.get(names.get(inside)!)?.(Uint8Array.from(Buffer.from(octets, 'hex')))
    })
  }

  send(name: string, frame: Uint8Array): void {
    const { inside } = this.#devices.get(name)!
    this.#relay!.stdin!.write(`${inside} ${Buffer.from(frame).toString('hex')}\n`)
  }

  /** The light of a socket goes out, or on. */
  async setUp(name: string, isUp: boolean): Promise<void> {
    const { inside } = this.#devices.get(name)!
    await sh('ip', '-n', this.#namespace, 'link', 'set', inside, isUp ? 'up' : 'down')
  }

  async unplug(): Promise<void> {
    const child = this.#relay
    if (child && child.exitCode === null) {
      child.stdin!.end()
      await once(child, 'exit')
    }
    await sh('ip', 'netns', 'del', this.#namespace).catch(() => undefined)
  }
}
