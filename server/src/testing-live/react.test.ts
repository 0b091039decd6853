/* The React bindings in a real browser, in strict mode, against a real server; with each version of React that they are for. */
import { createClient, type Client, type Room } from '@weft/client'
import type { Browser } from 'playwright-core'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { launchChromium } from '../testing/chromium.js'
import { reacts, ReactPages, type Place, type ReactPage } from '../testing/react-page.js'
import { startServer, type TestServer } from '../testing/start-server.js'
import { TcpProxy } from '../testing/tcp-proxy.js'
import { until } from '../testing/until.js'

const roomsPerConnection = 4

let server: TestServer
let proxy: TcpProxy
let browser: Browser
let app: ReactPages
let rooms = 0
const pages: ReactPage[] = []
const clients: Client[] = []

beforeAll(async () => {
  ;[server, browser] = await Promise.all([
    startServer({ maxRoomsPerConnection: roomsPerConnection }),
    launchChromium(),
  ])
  proxy = await TcpProxy.start(server.port)
})

afterEach(async () => {
  for (const client of clients.splice(0)) client.close()
  const opened = pages.splice(0)
  for (const page of opened) await page.close()
  for (const { complaints } of opened) expect(complaints).toEqual([])
})

afterAll(async () => {
  await browser.close()
  await proxy.close()
  await server.dispose()
})

const newRoom = (): string => `react/${++rooms}`
const openAt = async (name: string, place: Place): Promise<ReactPage> => {
  const page = await app.open(browser)
  pages.push(page)
  await page.mount(`ws://127.0.0.1:${proxy.port}`, name, place)
  return page
}
const open = (name: string, ...names: string[]): Promise<ReactPage> => openAt(name, { rooms: names })
/** Somebody else in a room, without React. */
const watch = async (name: string): Promise<Room<{ name: string }>> => {
  const client = createClient({ url: server.wsUrl })
  clients.push(client)
  const room = client.room<{ name: string }>(name)
  await room.synced()
  return room
}
const cutOff = (): void => {
  proxy.target = null
  proxy.cut()
}
const restore = (): void => {
  proxy.target = server.port
}
const namesIn = (room: Room<{ name: string }>): string =>
  room.presence.others
    .map(({ presence }) => presence.name ?? '?')
    .sort()
    .join()

describe.each(reacts)('React %i', (version) => {
  beforeAll(async () => {
    app = await ReactPages.serve(version)
  })

  afterAll(() => app.close())

  test('two pages converge: shared types, presence, events, broadcasts, and what is saved (I1)', async () => {
    const room = newRoom()
    const [a, b] = await Promise.all([open('Ada', room), open('Bob', room)])
    await Promise.all([a.says('status', 'live'), b.says('status', 'live')])
    await Promise.all([a.says('names', 'Bob'), b.says('names', 'Ada')])
    expect([await a.text('connection'), await a.text('synced'), await a.text('saved')]).toEqual([
      'connected',
      'true',
      'saved',
    ])

    await a.call('type', 'hello')
    await b.says('title', 'hello')
    await a.call('add', 'milk', 'tea')
    await a.call('option', 'size', 3)
    await b.says('items', 'milktea')
    await b.says('options', '{"size":3}')
    await b.call('rename', 1, 'coffee')
    await a.says('items', 'milkcoffee')
    await a.says('saved', 'saved')

    await a.call('say', 'one')
    await b.call('say', 'two')
    await a.says('log', 'one!,two')
    await b.says('log', 'one,two!')
    expect(await a.call<boolean>('wave', 5)).toBe(true)
    await b.says('log', 'one,two!,wave 5')
    await b.page.click('#mark')
    await b.says('mark', '*')
    await a.call('say', 'three')
    await b.says('log', 'one,two!,wave 5,*three')
  })

  test('a cursor that moves renders only what selects it, and an item that changes only itself', async () => {
    const room = newRoom()
    const [a, b] = await Promise.all([open('Ada', room), open('Bob', room)])
    await Promise.all([a.says('names', 'Bob'), b.says('names', 'Ada')])
    await a.call('add', 'milk', 'tea')
    await b.says('items', 'milktea')
    const of = (what: string): Promise<number> => b.renders(what)
    const [names, cursors, milk] = [await of('names'), await of('cursors'), await of('item milk')]

    for (let cursor = 1; cursor <= 20; cursor++) await a.call('show', { cursor })
    await b.says('cursors', '20')
    await a.call('rename', 1, 'coffee')
    await b.says('items', 'milkcoffee')
    expect(await of('cursors')).toBeGreaterThan(cursors)
    expect(await of('names')).toBe(names)
    expect(await of('item coffee')).toBeGreaterThan(0)
    expect(await of('item milk')).toBe(milk)

    await a.call('show', { name: 'Ada Lovelace' })
    await b.says('names', 'Ada Lovelace')
    expect(await of('names')).toBeGreaterThan(names)
    // The own presence, set by the hook: each click sees what the one before has set.
    await a.page.click('#own')
    await a.page.click('#own')
    await a.says('own', '{"name":"Ada Lovelace","cursor":22}')
  })

  test('in strict mode a room is entered once; it is left with what shows it, and only then', async () => {
    const [first, second] = [newRoom(), newRoom()]
    const watched = await watch(first)
    const other = await watch(second)
    cutOff()
    const page = await open('Ada', first)
    await page.says('waiting', 'waiting')
    restore()
    await until(() => namesIn(watched) === 'Ada', 'Ada is there, once')
    await page.says('body', `the state of ${first} is here: `)
    // It was suspended above the provider, which had entered, and did not leave for that.
    expect(namesIn(watched)).toBe('Ada')

    await page.call('go', first, second)
    await until(() => namesIn(other) === 'Ada', 'Ada is in the second room')
    expect(namesIn(watched)).toBe('Ada')
    await page.call('go', second)
    await until(() => namesIn(watched) === '', 'Ada has left the first')
    expect(namesIn(other)).toBe('Ada')
    await page.call('go')
    await until(() => namesIn(other) === '', 'Ada has left the second')
    await page.call('go', first)
    await until(() => namesIn(watched) === 'Ada', 'Ada is back')
    await page.says('status', 'live')
  })

  test('what is rendered and never mounted enters no room', async () => {
    const [first, second] = [newRoom(), newRoom()]
    const page = await open('Ada', first)
    await page.says('status', 'live')
    const before = server.server.openRooms
    await page.call('goAndHang', first, second)
    await page.call('go', first)
    await page.call('type', 'still here')
    await page.says('saved', 'saved')
    await page.says('title', 'still here')
    // Those of the tests before may close meanwhile.
    expect(server.server.openRooms).toBeLessThanOrEqual(before)
    await page.call('go', first, second)
    await until(() => server.server.openRooms === before + 1, 'entered for real')
  })

  test('a cut connection: what is unsaved is counted, the state stays, and all is saved after it', async () => {
    const room = newRoom()
    const page = await open('Ada', room)
    await page.says('status', 'live')
    cutOff()
    await page.says('status', 'offline')
    await page.call('type', 'away ')
    await page.call('add', 'x')
    await page.says('saved', '2 unsaved')
    expect([await page.text('synced'), await page.text('title')]).toEqual(['true', 'away '])
    restore()
    await page.says('saved', 'saved')
    await page.says('status', 'live')
    expect((await watch(room)).doc.getText('title').toJSON()).toBe('away ')
  })

  test.each([true, false])('a reset replaces the document below the hooks (P20), calm: %s', async (calm) => {
    const room = newRoom()
    const page = await openAt('Ada', { rooms: [room], calm })
    await page.says('status', 'live')
    await page.call('type', 'old')
    await page.says('saved', 'saved')
    cutOff()
    await page.says('status', 'offline')
    expect(await server.server.control.deleteRoom(room)).toBe(true)
    const anew = await watch(room)
    anew.doc.getText('title').insert(0, 'new')
    await anew.saved()
    const [bound, waiting] = [await page.text('bound'), await page.renders('waiting')]
    restore()
    await page.says('title', 'new')
    await page.says('bound', await page.call<string>('boundTo'))
    expect(await page.text('bound')).not.toBe(bound)
    await page.says('names', '?')
    if (!calm) {
      await page.says('body', `the state of ${room} is here: new`)
      // There was none for a moment.
      expect(await page.renders('waiting')).toBeGreaterThan(waiting)
    }

    await page.call('type', 'still ')
    await page.says('title', 'still new')
    await until(
      () => anew.doc.getText('title').toJSON() === 'still new',
      'the new document is the one that is shared',
    )
    await page.page.click('#own')
    await page.says('own', '{"name":"Ada","cursor":1}')
    await until(
      () => JSON.stringify(anew.presence.others).includes('"cursor":1'),
      'and so is the new presence',
    )
  })

  test('a server renders the fallbacks, by both ways, and connects nothing; the page takes it over', async () => {
    const [room, other] = [newRoom(), newRoom()]
    const before = server.server.openRooms
    const place: Place = { rooms: [room], byName: [other] }
    const { string, stream } = await app.render(server.wsUrl, place, 'Ada')
    const html = '<section><p>entering</p></section><p id="named">entering</p><p id="transport">idle</p>'
    for (const rendered of [string, stream]) expect(rendered).toContain(html)
    // Those of the tests before may close meanwhile.
    expect(server.server.openRooms).toBeLessThanOrEqual(before)
    // That React finds nothing to complain of in it is looked at after each test.
    const page = await openAt('Ada', place)
    await page.says('named', `${other} live `)
    await page.says('body', `the state of ${room} is here: `)
    await page.says('transport', 'connected')
  })

  test('a room is entered by its name alone, counted, and left with the last who did', async () => {
    const [first, second] = [newRoom(), newRoom()]
    const [watched, other] = [await watch(first), await watch(second)]
    const page = await openAt('Ada', { rooms: [], byName: [first, first] })
    await page.says('named', `${first} live `)
    await until(() => namesIn(watched) === 'Ada', 'Ada is there, once')
    watched.doc.getText('title').insert(0, 'hello')
    await page.says('named', `${first} live hello`)
    await page.call('goTo', { rooms: [], byName: [first] })
    await page.call('goTo', { rooms: [], byName: [first, second] })
    await until(() => namesIn(other) === 'Ada', 'Ada is in the second room')
    expect(namesIn(watched)).toBe('Ada')
    // The same component, with another name.
    await page.call('goTo', { rooms: [], byName: [second] })
    await page.says('named', `${second} live `)
    await until(() => namesIn(watched) === '', 'Ada has left the first')
    expect(namesIn(other)).toBe('Ada')
    await page.call('goTo', { rooms: [], byName: [] })
    await until(() => namesIn(other) === '', 'Ada has left the second')

    // Whoever enters a room that was entered already does not take back what is shown there.
    await page.call('goTo', { rooms: [first] })
    await page.says('status', 'live')
    await page.call('show', { name: 'Countess' })
    await page.call('goTo', { rooms: [first], byName: [first] })
    await page.says('named', `${first} live hello`)
    await page.call('show', { cursor: 1 })
    await until(() => JSON.stringify(watched.presence.others).includes('"cursor":1'), 'the cursor')
    expect(namesIn(watched)).toBe('Countess')
  })

  test('a provider goes from one room to another: what is below starts anew', async () => {
    const [first, second] = [newRoom(), newRoom()]
    const page = await openAt('Ada', { rooms: [], pair: [first, second] })
    await page.says('named', `${first} live `)
    await page.page.click('#turn')
    // What has kept the state of another room throws.
    await page.says('named', `${second} live `)
    await page.page.click('#turn')
    await page.says('named', `${first} live `)
  })

  test('a room that is refused is an error of what waits for it, for its boundary (P13)', async () => {
    const names = Array.from({ length: roomsPerConnection + 1 }, newRoom)
    const page = await open('Ada', ...names)
    await page.says('error', 'too_many_rooms')
    // React tells of it as well.
    expect(page.complaints.splice(0).join()).toContain('at most 4 rooms')
  })

  test('a name that is none is an error of the component, for its boundary', async () => {
    const page = await open('Ada', 'x'.repeat(600))
    await page.says('error', 'invalid_room_name')
    // React tells of it as well.
    expect(page.complaints.splice(0).join()).toContain('room name')
  })
})
