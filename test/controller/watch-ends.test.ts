/** A controller that has stopped watches nothing: it would keep its process alive. */
import t from 'tap'
import { SimulatedEnv } from '../../src/base/env/simulated-env.js'
import { Controller } from '../../src/controller/controller.js'
import { MemoryStore } from '../../src/controller/store/memory-store.js'
import { firewallOf } from '../firewall-of.js'

t.test('after the end nothing is watched, whatever changes', async t => {
  const env = new SimulatedEnv()
  let open = 0
  const watch = env.disk.watch.bind(env.disk)
  env.disk.watch = (path, changed) => {
    open++
    const cancel = watch(path, changed)
    return () => {
      open--
      cancel()
    }
  }
  const controller = await Controller.create(env, new MemoryStore(env), {
    secret: new TextEncoder().encode('a secret of thirty-two octets...'),
    generationId: 1n,
    given: {
      data: '/data',
      rules: [],
      ruleFolders: [],
      opens: false,
      adopts: false,
      isLost: false,
    },
  })
  await controller.prepare()
  controller.start()
  t.ok(open > 0, 'it watches its folder')
  await controller.stop()
  t.equal(open, 0)
  firewallOf(controller).policies.emit('changed')
  t.equal(open, 0, 'what comes into force at the end is watched by nobody')
})
