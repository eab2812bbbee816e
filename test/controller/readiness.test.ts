/** `/readyz` says ok only when it is so. */
import t from 'tap'
import { SimulatedEnv } from '../../src/base/env/simulated-env.js'
import { Controller } from '../../src/controller/controller.js'
import { notReady } from '../../src/controller/readiness.js'
import { MemoryStore } from '../../src/controller/store/memory-store.js'
import type { FunctionHost, NetworkFunction } from '../../src/nfv/function.js'
import { functions } from '../../src/nfv/functions.js'
import { ring, Whole } from '../topology/whole.js'

t.test('not before it has started', async t => {
  const env = new SimulatedEnv()
  const controller = await Controller.create(env, new MemoryStore(env), {
    secret: new TextEncoder().encode('a secret of thirty-two octets...'),
    generationId: 1n,
  })
  t.same(notReady(controller), ['the controller is starting: no switch is let in yet'])
  controller.start()
  t.same(notReady(controller), [])
  await controller.stop()
})

t.test('not while what is wanted cannot be compiled', async t => {
  let isBroken = false
  let host: FunctionHost | undefined
  const broken: NetworkFunction = {
    name: 'broken',
    create: given => {
      host = given
      return {
        compile: () => {
          if (isBroken) throw new Error('out of numbers')
          return () => []
        },
      }
    },
  }
  const whole = await Whole.start(ring(2), undefined, [...functions, broken])
  await whole.ping('h1', 'h2')
  t.same(notReady(whole.controller), [])
  isBroken = true
  host?.changed()
  await whole.env.advance(100)
  t.same(notReady(whole.controller), [
    'what is wanted now cannot be compiled, and switches keep what they hold: out of numbers',
  ])
  t.ok((await whole.ping('h1', 'h2')) !== undefined, 'they do')
  isBroken = false
  await whole.env.advance(3_000)
  t.same(notReady(whole.controller), [], 'it is tried again')
  await whole.stop()
})
