/* I1 with unmodified HocuspocusProviders: `kill -9` of the server loses nothing that their count of unsynced changes called saved. */
import { afterEach, expect, test } from 'vitest'
import { HocuspocusClients } from '../testing/hocuspocus-clients.js'
import { serverProcess } from '../testing/server-process.js'
import { makeDataDir } from '../testing/data-dir.js'
import { until } from '../testing/until.js'

const cleanups: (() => unknown)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

test('I1, P65, P66: providers come back after a kill -9 with everything, saved or not', async () => {
  const dir = await makeDataDir()
  cleanups.push(() => dir.remove())
  const server = await serverProcess({ DATA_DIR: dir.path })
  cleanups.push(() => server.kill())
  const clients = new HocuspocusClients(`${server.url}/hocuspocus`)
  cleanups.push(() => clients.destroy())
  server.spawn()
  await server.untilUp()
  const socket = clients.openSocket()
  const typists = await Promise.all([
    clients.open('notes').synced(),
    clients.open('notes', { socket, sessionAwareness: true }).synced(),
    clients.open('notes', { socket, sessionAwareness: true }).synced(),
  ])
  /** Tokens that a provider called saved. */
  const saved = new Set<string>()
  const typed = typists.map((): string[] => [])
  for (const [index, { provider }] of typists.entries()) {
    provider.on('unsyncedChanges', ({ number }: { number: number }) => {
      if (number === 0) for (const token of typed[index] ?? []) saved.add(token)
    })
  }
  let count = 0
  const type = (): void => {
    const index = count++ % typists.length
    const token = `<${index}.${count}>`
    typed[index]?.push(token)
    typists[index]?.type(token)
  }
  for (let kill = 0; kill < 2; kill++) {
    const before = saved.size
    const timer = setInterval(type, 2)
    await until(() => saved.size > before + 20, 'some saved changes', 60_000)
    await server.kill()
    clearInterval(timer)
    const promised = [...saved]
    // What is typed while it is away waits in the provider.
    for (let i = 0; i < 9; i++) type()
    server.spawn()
    await server.untilUp()
    const fresh = await clients.open('notes').synced()
    for (const token of promised) expect(fresh.content).toContain(token)
    fresh.provider.destroy()
    await Promise.all(typists.map((typist) => typist.saved()))
  }
  const reader = await clients.open('notes').synced()
  await until(() => typists.every(({ content }) => content === reader.content), 'convergence')
  for (const token of typed.flat()) expect(reader.content).toContain(token)
})
