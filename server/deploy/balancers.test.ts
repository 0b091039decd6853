/* The shipped balancer configurations, run for real in front of three nodes that share a database and nothing else. */
import { once } from 'node:events'
import { createServer, STATUS_CODES, type IncomingMessage } from 'node:http'
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import WebSocket from 'ws'
import { WebsocketProvider } from 'y-websocket'
import * as Y from 'yjs'
import {
  freePort,
  serverProcess,
  startPostgres,
  until,
  type ServerProcess,
  type TestPostgres,
} from '../src/testing/index.js'
import { WeftBot } from '../src/testing/weft-bot.js'
import { YjsRaw } from '../src/testing/yjs-raw.js'
import { checkHaproxy, checkNginx, startHaproxy, startNginx, type Balancer } from './testing/balancer.js'

let postgres: TestPostgres
let nodes: ServerProcess[] = []
const atEnd: (() => unknown)[] = []

beforeAll(async () => {
  // The provider's resync reads a constant of the browser's class, which Node 20 lacks.
  vi.stubGlobal('WebSocket', WebSocket)
  postgres = await startPostgres()
  const DATABASE_URL = await postgres.createDatabase()
  nodes = await Promise.all([1, 2, 3].map(() => serverProcess({ DATABASE_URL, LOG_LEVEL: 'warn' })))
  for (const node of nodes) node.spawn()
  await Promise.all(nodes.map((node) => node.untilUp()))
})
afterEach(async () => {
  for (const end of atEnd.splice(0).reverse()) await Promise.resolve(end())
  for (const node of nodes) node.spawn()
  await Promise.all(nodes.map((node) => node.untilUp()))
})
afterAll(async () => {
  await Promise.all(nodes.map((node) => node.kill()))
  await postgres.dispose()
  vi.unstubAllGlobals()
})

/** Open connections of stock clients on each node that runs. */
const counts = (): Promise<number[]> =>
  Promise.all(nodes.map((node) => node.metric('weft_connections', '"yjs"').catch(() => 0)))

const sum = (numbers: readonly number[]): number => numbers.reduce((a, b) => a + b, 0)

/** A place in the balance that records what it is asked, and answers everything with one status. */
const fakeNode = async (status: 200 | 503): Promise<{ port: number; requests: IncomingMessage[] }> => {
  const requests: IncomingMessage[] = []
  const server = createServer((request, response) => {
    requests.push(request)
    response.writeHead(status).end()
  })
  server.on('upgrade', (request: IncomingMessage, socket) => {
    requests.push(request)
    socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n`)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  atEnd.push(() => server.close())
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no TCP address')
  return { port: address.port, requests }
}

describe.each([
  ['nginx', checkNginx, startNginx],
  ['HAProxy', checkHaproxy, startHaproxy],
])('%s', (name, check, start) => {
  const balance = async (ports = nodes.map(({ port }) => port)): Promise<Balancer> => {
    const balancer = await start(ports)
    atEnd.push(() => balancer.stop())
    return balancer
  }
  const provide = (balancer: Balancer, room: string): WebsocketProvider => {
    const provider = new WebsocketProvider(`ws://127.0.0.1:${balancer.port}/yjs`, room, new Y.Doc(), {
      WebSocketPolyfill: WebSocket as unknown as typeof globalThis.WebSocket,
      disableBc: true,
      maxBackoffTime: 200,
    })
    atEnd.push(() => {
      provider.destroy()
      provider.awareness.destroy()
    })
    return provider
  }

  test('finds its configuration in order', async () => {
    await check()
  })

  test("a room's stock clients meet on one node, and rooms spread over all of them", async () => {
    const balancer = await balance()
    const used = new Set<number>()
    for (let i = 0; i < 16; i++) {
      const before = await counts()
      const clients = Array.from({ length: 4 }, () => provide(balancer, `${name}/spread/${i}`))
      await until(() => clients.every(({ synced }) => synced), 'all are synced')
      const opened = (await counts()).map((count, node) => count - before[node]!)
      expect([...opened].sort()).toEqual([0, 0, 4])
      used.add(opened.indexOf(4))

      clients[0]!.doc.getText('text').insert(0, 'together')
      await until(
        () => clients.every(({ doc }) => doc.getText('text').toJSON() === 'together'),
        'all read it',
      )
    }
    expect([...used].sort()).toEqual([0, 1, 2])
  })

  test('a name that is encoded in two ways is one room on one node', async () => {
    const balancer = await balance()
    const url = `ws://127.0.0.1:${balancer.port}`
    const before = sum(await counts())
    const clients: YjsRaw[] = []
    for (const path of ['m%C3%B6bel/a-b', 'm%c3%b6bel%2Fa%2Db?token=secret', 'm%C3%B6bel/%61-b']) {
      const client = await YjsRaw.open(url, `${name}-${path}`)
      atEnd.push(() => client.terminate())
      clients.push(client)
    }
    const opened = await counts()
    expect(sum(opened) - before).toBe(3)
    expect(opened).toContain(3)
    clients[0]!.type('one')
    await until(() => clients.every(({ text }) => text === 'one'), 'all read it')
  })

  test('clients get through after a node is killed, and find their room as it was', async () => {
    const balancer = await balance()
    const first = provide(balancer, `${name}/survives`)
    await until(() => first.synced, 'synced')
    const home = (await counts()).indexOf(1)
    const committed = (): Promise<number> => nodes[home]!.metric('weft_journal_batch_entries_sum')
    const before = await committed()
    first.doc.getText('text').insert(0, 'before. ')
    await until(async () => (await committed()) > before, 'the commit')
    await nodes[home]!.kill()

    const second = provide(balancer, `${name}/survives`)
    await until(() => second.synced && first.wsconnected && first.synced, 'both are back')
    expect(second.doc.getText('text').toJSON()).toBe('before. ')
    first.doc.getText('text').insert(8, 'after.')
    await until(() => second.doc.getText('text').toJSON() === 'before. after.', 'they meet')
    const now = await counts()
    expect(now[home]).toBe(0)
    // Not always on one: HAProxy chooses again on its own until it has marked the node as down.
    expect(sum(now)).toBe(2)
  })

  test('a node that answers 503 or refuses is passed over', async () => {
    // As a node does that is shutting down.
    const draining = await fakeNode(503)
    const balancer = await balance([draining.port, nodes[1]!.port, await freePort()])
    // So many rooms that each place in the balance is the first choice of some.
    for (let i = 0; i < 24; i++) {
      const client = await YjsRaw.open(`ws://127.0.0.1:${balancer.port}`, `${name}/passed-over/${i}`)
      client.terminate()
    }
    // nginx learns of it from a client's request, HAProxy from its own question.
    expect(draining.requests.map(({ url = '' }) => url)).toContainEqual(
      expect.stringMatching(/^\/(yjs\/|readyz$)/),
    )
  })

  test('the Weft protocol passes, and every socket of an address comes to one node', async () => {
    const balancer = await balance()
    const bots = await Promise.all([1, 2, 3].map(() => WeftBot.connect(`ws://127.0.0.1:${balancer.port}`)))
    for (const bot of bots) atEnd.push(() => bot.terminate())
    const perNode = await Promise.all(nodes.map((node) => node.metric('weft_connections', '"weft"')))
    expect([...perNode].sort()).toEqual([0, 0, 3])
  })

  test('nodes get the address of the client and not what it claims; logs get no tokens; metrics stay inside', async () => {
    const node = await fakeNode(200)
    const balancer = await balance([node.port, node.port, node.port])
    const url = `http://127.0.0.1:${balancer.port}`
    const claims = { 'x-forwarded-for': '192.0.2.1', 'x-real-ip': '192.0.2.1', 'x-forwarded-proto': 'https' }
    await fetch(`${url}/yjs/a%20room?token=not-for-logs`, { headers: claims })
    const asked = node.requests.find(({ url }) => url?.startsWith('/yjs/') === true)
    expect(asked?.url).toBe('/yjs/a%20room?token=not-for-logs')
    expect(asked?.headers).toMatchObject({
      host: `127.0.0.1:${balancer.port}`,
      'x-forwarded-for': '127.0.0.1',
      'x-real-ip': '127.0.0.1',
      'x-forwarded-proto': 'http',
    })
    expect((await fetch(`${url}/metrics`)).status).toBe(404)
    await until(async () => /GET \/yjs\/a(%20| )room/.test(await balancer.accessLog()), 'the access log')
    expect(await balancer.accessLog()).not.toContain('not-for-logs')
  })
})
