/** Checksums that a switch left unfinished are completed, in a copy. */
import t from 'tap'
import { finishChecksums } from '../../src/pipeline/finish.js'

/** A SYN from 10.1.0.1:33610 to 10.2.0.10:80; 143c is the sum of its pseudo-header alone. */
const unfinished =
  '020000000103020000000101080045000028000040004006' +
  '0000' +
  '0a0100010a02000a834a0050000003e800000000500220' +
  '00143c0000'

t.test('a checksum that holds the pseudo-header alone is finished', async t => {
  // Octets as a socket hands them over: somewhere inside a larger Buffer.
  const received = Buffer.concat([Buffer.from('aabbcc', 'hex'), Buffer.from(unfinished, 'hex')])
  const frame = received.subarray(3)
  const finished = finishChecksums(frame)
  // By hand: 0a01+0001+0a02+000a + 0006+0014 + 834a+0050+0000+03e8+0000+0000+5002+2000 = 10bac -> 0bad -> ~ = f452
  t.equal(Buffer.from(finished.subarray(50, 52)).toString('hex'), 'f452')
  t.equal(received.toString('hex'), `aabbcc${unfinished}`, 'what was received stays as it was')
})
