/** What was found and is gone, forgotten by hand: switches that are not connected, and hosts. */
import type { FastifyInstance } from 'fastify'
import Type, { type Static } from 'typebox'
import { Failure } from '../../base/failures.js'
import { noteChange } from '../../nfv/requests.js'
import { theSwitch } from '../../topology/names.js'
import type { Controller } from '../controller.js'

const nameParams = Type.Object(
  { name: Type.String({ minLength: 1, maxLength: 256 }) },
  { additionalProperties: false },
)
type Named = { Params: Static<typeof nameParams> }

const forgetting = (summary: string, description: string) => ({
  schema: {
    summary,
    description,
    tags: ['writing'],
    security: [{ token: [] }],
    params: nameParams,
  },
})

export const forgetRoutes =
  (controller: Controller) =>
  (app: FastifyInstance): void => {
    app.delete<Named>(
      '/api/v1/switches/:name',
      forgetting(
        'forget a switch that is gone',
        'By dpid, or by a name that only one switch has that is not connected. Its ports, links and hosts are forgotten with it, and nothing waits for it any more. One that is connected, or calls again, is there.',
      ),
      async request => {
        const { name } = request.params
        const { dpid, name: known } = goneSwitch(controller, name)
        controller.topology.forget(dpid, 'forgotten by hand')
        await noteChange(request, { forgotten: { dpid, name: known } })
        return { dpid, name: known, state: 'forgotten' }
      },
    )
    app.delete<Named>(
      '/api/v1/hosts/:name',
      forgetting(
        'forget a host',
        'By MAC, address or name. It is learnt again when it speaks. A host that is declared with its place stays: delete the Host object.',
      ),
      async request => {
        const { name } = request.params
        const found = controller.topology.hostsNamed(name)
        if (found.length === 0) throw new Failure('no-such-host', { name })
        const [pinned] = found.filter(({ isPinned }) => isPinned)
        if (pinned) throw new Failure('declared', { what: 'host', name: pinned.name ?? name })
        for (const host of found) controller.topology.forgetHost(host, 'forgotten by hand')
        const items = found.map(({ mac, ips, network }) => ({ mac, ips, network }))
        await noteChange(request, { forgotten: items })
        return { items }
      },
    )
  }

/** @throws {Failure} `no-such-switch`, `still-connected`, `ambiguous` */
const goneSwitch = (controller: Controller, text: string) => {
  const topology = controller.topology.current
  const meant = [...topology.switches.values()].filter(({ dpid, name }) =>
    [dpid, name].includes(text),
  )
  const gone = meant.filter(({ isConnected }) => !isConnected)
  const [only] = gone
  if (meant.length === 0) throw new Failure('no-such-switch', { name: text })
  if (only === undefined) throw new Failure('still-connected', { name: text })
  if (gone.length > 1)
    throw new Failure('ambiguous', {
      name: text,
      candidates: gone.map(each => each.dpid).join(', '),
    })
  return only
}

/** The one switch that is meant. @throws {Failure} `no-such-switch`, `ambiguous` */
export const switchMeant = (controller: Controller, text: string) => {
  const found = theSwitch(controller.topology.current, text)
  if (found === undefined) throw new Failure('no-such-switch', { name: text })
  return found
}
