/** A way around on Open vSwitch, in switches that are left alone. */
import t from 'tap'
import { root, withOvs } from './rig.js'

/*
 *        1 s2 2
 *      2/      \2
 *  a ─ s1 3─1 s3 2─3 s4 ─ b       two equal ways, and one by s5 and s6 that is longer
 *      4\              /4
 *        1 s5 2─1 s6 2
 */
const network = `title: Two equal ways, and one around them
switches: [s1, s2, s3, s4, s5, s6]
links:
  - [s1:2, s2:1]
  - [s2:2, s4:2]
  - [s1:3, s3:1]
  - [s3:2, s4:3]
  - [s1:4, s5:1]
  - [s5:2, s6:1]
  - [s6:2, s4:4]
hosts:
  a: { at: s1:1, ips: [10.0.0.1/24] }
  b: { at: s4:1, ips: [10.0.0.2/24] }
`
const link = (a: string, aPort: number, b: string, bPort: number) => ({
  a: { name: a, port: aPort },
  b: { name: b, port: bPort },
})
const equal = [link('s1', 2, 's2', 1), link('s1', 3, 's3', 1)]
const far = [link('s2', 2, 's4', 2), link('s3', 2, 's4', 3)]

t.test('every equal way dies while there is no controller: at most 20 of 2,000 are lost', root, t =>
  withOvs(network, async ({ stage, controller, received }) => {
    t.equal((await stage.ping('a', 'b', 100, 2)).received, 100)
    await controller.kill()
    const pinging = stage.ping('a', 'b', 2_000, 1)
    await new Promise(resolve => setTimeout(resolve, 500))
    const before = await received('s5', 1)
    for (const each of [...equal, ...far]) await stage.setLink(each, false)
    const { sent, received: answered } = await pinging
    t.equal(sent, 2_000)
    t.ok(sent - answered <= 20, `${sent - answered} lost`)
    t.ok((await received('s5', 1)) - before > 500, 'they went around')
    await stage.setLink(link('s5', 2, 's6', 1), false)
    t.equal((await stage.ping('a', 'b', 50, 10)).received, 0, 'and no other way')
    for (const each of [...equal, ...far]) await stage.setLink(each, true)
    t.equal(
      (await stage.ping('a', 'b', 50, 10)).received,
      50,
      'equal ways that are back carry again',
    )
  }),
)
