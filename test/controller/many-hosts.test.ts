/** Hosts that speak in the same moment share what there is to do for them: nothing that grows with the network is done for each. */
import t from 'tap'
import { Programmer } from '../../src/controller/program/programmer.js'
import { buildFrame } from '../../src/pipeline/build.js'
import { HostTable } from '../../src/topology/hosts/host-table.js'
import { ring, Whole } from '../topology/whole.js'

/** As many as the meter of a port lets through at once. */
const hostCount = 50

/** IP of somebody whose address is not believed yet, so that it is asked for it. */
const frameOf = (number: number): Uint8Array =>
  buildFrame({
    eth_dst: 0x020000000001,
    eth_src: 0x02aa00000000 + number,
    eth_type: 0x0800,
    ip_proto: 17,
    ip_src: 0x0a000100 + number,
    ip_dst: 0x0a000001,
    udp_src: 1,
    udp_dst: 2,
  })

t.test('hosts of one moment wait for the switches together', async t => {
  const whole = await Whole.start(ring(3))
  const counts = { waits: 0, copies: 0 }
  const { confirmed } = Programmer.prototype
  const { snapshot } = HostTable.prototype
  t.teardown(() => {
    Programmer.prototype.confirmed = confirmed
    HostTable.prototype.snapshot = snapshot
  })
  Programmer.prototype.confirmed = function (...words) {
    counts.waits++
    return confirmed.apply(this, words)
  }
  HostTable.prototype.snapshot = function () {
    counts.copies++
    return snapshot.apply(this)
  }
  const before = whole.controller.topology.current.hosts.size
  for (let number = 0; number < hostCount; number++)
    whole.network.switch('s1').receive(10, frameOf(number))
  await whole.env.advance(1_000)
  t.equal(whole.controller.topology.current.hosts.size - before, hostCount, 'all are learnt')
  t.ok(counts.waits > 0 && counts.waits < 10, `waits for a switch: ${counts.waits}`)
  t.ok(counts.copies > 0 && counts.copies < 10, `copies of all hosts: ${counts.copies}`)
  await whole.stop()
})
