import type { Browser } from 'playwright-core'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { launchChromium } from '../testing/chromium.js'
import { PlaygroundPage } from '../testing/playground-page.js'
import { startPostgres, type TestPostgres } from '../testing/postgres.js'
import { startServer, type TestServer } from '../testing/start-server.js'
import { makeToken, testSecret } from '../testing/tokens.js'
import { until } from '../testing/until.js'
import { loadPlayground, playgroundCsp } from './assets.js'

/* The playground in a real browser, on a real server with a real PostgreSQL. */

let postgres: TestPostgres
let databaseUrl: string
let server: TestServer
let browser: Browser
let rooms = 0
const pages: PlaygroundPage[] = []

const urlOf = (room: string, of: TestServer = server): string =>
  `${of.httpUrl}/?room=${encodeURIComponent(room)}`
const newRoom = (): string => `playground/${++rooms} ü?#%`
const enter = async (room: string, name: string): Promise<PlaygroundPage> => {
  const page = await PlaygroundPage.enter(browser, urlOf(room), name)
  pages.push(page)
  return page
}
const open = async (url: string, options = {}): Promise<PlaygroundPage> => {
  const page = await PlaygroundPage.open(browser, url, options)
  pages.push(page)
  return page
}
const sameText = (a: PlaygroundPage, b: PlaygroundPage, fits: (text: string) => boolean): Promise<void> =>
  until(async () => {
    const [left, right] = await Promise.all([a.content(), b.content()])
    return left === right && fits(left)
  }, 'both pages show the same text')

beforeAll(async () => {
  postgres = await startPostgres()
  databaseUrl = await postgres.createDatabase()
  server = await startServer({ databaseUrl, playground: true })
  browser = await launchChromium()
})

afterEach(async () => {
  const opened = pages.splice(0)
  for (const page of opened) await page.close()
  for (const page of opened) {
    expect(page.complaints).toEqual([])
    expect([...page.hosts]).toEqual([new URL(page.page.url()).host])
  }
})

afterAll(async () => {
  await browser.close()
  await server.dispose()
  await postgres.dispose()
})

describe('the playground', () => {
  test('two pages type at once, converge, and each sees the other by name', async () => {
    const room = newRoom()
    const [a, b] = await Promise.all([enter(room, 'Ada'), enter(room, 'Grace')])
    await Promise.all([a.says(a.others, 'G\nGrace'), b.says(b.others, 'A\nAda')])

    await Promise.all([a.type('aaaaaaaaaaaaaaaaaaaa'), b.type('bbbbbbbbbbbbbbbbbbbb')])
    const letters = (text: string): string => text.split('').sort().join('')
    await sameText(a, b, (text) => letters(text) === 'a'.repeat(20) + 'b'.repeat(20))
    await Promise.all([a.says(a.cursors, 'Grace'), b.says(b.cursors, 'Ada')])
    await Promise.all([a.says(a.saved, 'All changes saved'), b.says(b.saved, 'All changes saved')])

    await a.name.fill('Ada Lovelace')
    await b.says(b.others, 'AL\nAda Lovelace')
    await b.says(b.cursors, 'Ada Lovelace')

    await a.page.close()
    await until(async () => (await b.others.count()) === 0 && (await b.cursors.count()) === 0, 'Ada has gone')
  })

  test('the connection is cut and restored, and edits of both sides meet', async () => {
    const room = newRoom()
    const [a, b] = await Promise.all([enter(room, 'Ada'), enter(room, 'Grace')])
    await a.type('before ')
    await sameText(a, b, (text) => text === 'before ')

    await a.cut.click()
    await a.says(a.connection, 'Cut off')
    await b.says(b.page.locator('#people'), /^(?!.*Ada)/s)
    await a.type('alone ')
    await b.type('meanwhile ')
    await b.says(b.saved, 'All changes saved')
    await a.says(a.saved, '6 unsaved')
    expect(await a.content()).toBe('before alone ')
    expect(await b.content()).toBe('before meanwhile ')

    await a.cut.click()
    await a.says(a.connection, 'Connected')
    await sameText(a, b, (text) => text.length === 'before alone meanwhile '.length)
    expect(await a.content()).toMatch(/^before (alone meanwhile|meanwhile alone) $/)
    await a.says(a.saved, 'All changes saved')
    await a.says(a.others, /Grace/)
  })

  test('"saved" is said after the commit and not before (I1), while the others see the change at once (I3)', async () => {
    const room = newRoom()
    const [a, b] = await Promise.all([enter(room, 'Ada'), enter(room, 'Grace')])
    await a.type('first ')
    await a.says(a.saved, 'All changes saved')

    postgres.pause()
    try {
      await a.type('durable')
      await sameText(a, b, (text) => text === 'first durable')
      await a.says(a.saved, '7 unsaved')
    } finally {
      postgres.resume()
    }
    await a.says(a.saved, 'All changes saved')

    // What was called saved survives a crash of the database, and is there for a server that holds nothing in memory.
    await postgres.kill()
    await postgres.start()
    const other = await startServer({ databaseUrl, playground: true })
    try {
      const fresh = await PlaygroundPage.enter(browser, urlOf(room, other), 'Margaret')
      expect(await fresh.content()).toBe('first durable')
      await fresh.close()
    } finally {
      await other.dispose()
    }
    await a.type('!')
    await a.says(a.saved, 'All changes saved')
  })

  test('the room is in the URL: a first visit gets one, and Back goes back', async () => {
    const a = await open(`${server.httpUrl}/`)
    await a.says(a.connection, 'Connected')
    const first = await a.room.inputValue()
    expect(first).toMatch(/^[a-z]+-[a-z]+-\d{3}$/)
    expect(a.page.url()).toBe(urlOf(first))
    await a.says(a.page.locator('#hint'), /second window/)
    await a.type('one')

    const second = newRoom()
    await a.room.fill(second)
    await a.room.press('Enter')
    await a.says(a.connection, 'Connected')
    expect(a.page.url()).toBe(urlOf(second))
    expect(await a.content()).toBe('')
    await a.type('two')

    await a.page.goBack()
    await until(async () => (await a.content()) === 'one', 'the first room is back')
    expect(await a.room.inputValue()).toBe(first)
    await a.page.reload()
    await until(async () => (await a.content()) === 'one', 'the first room after a reload')

    const b = await enter(second, 'Grace')
    expect(await b.content()).toBe('two')
  })

  test('a phone gets the whole page, without scrolling sideways', async () => {
    const viewport = { width: 360, height: 640 }
    const page = await open(urlOf(newRoom()), {
      viewport,
      isMobile: true,
      hasTouch: true,
      colorScheme: 'dark',
    })
    await page.says(page.connection, 'Connected')
    await page.type('https://weft.example/' + 'x'.repeat(200))
    expect(await page.page.evaluate('document.scrollingElement.scrollWidth')).toBe(viewport.width)
    for (const element of [page.room, page.name, page.cut, page.saved]) {
      const box = await element.boundingBox()
      expect(box !== null && box.x >= 0 && box.x + box.width <= viewport.width).toBe(true)
    }
  })

  test('nothing on the page moves by itself while it loads and connects', async () => {
    const page = await open('about:blank')
    await page.page.addInitScript(`
      window.shifts = 0
      new PerformanceObserver((list) => {
        for (const entry of list.getEntries()) if (!entry.hadRecentInput) window.shifts += entry.value
      }).observe({ type: 'layout-shift', buffered: true })
    `)
    await page.page.goto(urlOf(newRoom()))
    await page.says(page.saved, 'All changes saved')
    await page.cut.click()
    await page.says(page.connection, 'Cut off')
    expect(await page.page.evaluate('window.shifts')).toBeLessThan(0.01)
    page.hosts.delete('')
  })
})

describe('a server with a key', () => {
  let locked: TestServer
  beforeAll(async () => {
    locked = await startServer({
      databaseUrl: await postgres.createDatabase(),
      playground: true,
      jwtSecret: testSecret,
    })
  })
  afterAll(() => locked.dispose())

  test('refuses with a sentence, and takes a token that is pasted', async () => {
    const page = await open(`${locked.httpUrl}/?room=secret`)
    await page.says(page.notice, /This server asks for a token/)
    await page.says(page.connection, 'Refused')
    await page.notice.getByLabel('Token').fill(await makeToken({ other: 'write' }))
    await page.notice.getByRole('button').click()
    await page.says(page.notice, /You may not enter this room/)
    await page.notice.getByLabel('Token').fill(await makeToken({ secret: 'write' }))
    await page.notice.getByRole('button').click()
    await page.says(page.connection, 'Connected')
    expect(await page.notice.isVisible()).toBe(false)
    await page.type('in')
    await page.says(page.saved, 'All changes saved')
  })

  test('lets a reader read, and a token in the fragment does not stay in the address', async () => {
    const token = await makeToken({ secret: 'read' })
    const page = await open(`${locked.httpUrl}/?room=secret#token=${token}`)
    await page.says(page.saved, 'View only')
    expect(await page.text.getAttribute('contenteditable')).toBe('false')
    expect(page.page.url()).toBe(`${locked.httpUrl}/?room=secret`)
  })
})

describe('the files', () => {
  test('are served with a strict policy and a tag', async () => {
    for (const [path, asset] of loadPlayground()) {
      const response = await fetch(server.httpUrl + path)
      expect(response.status, path).toBe(200)
      expect(response.headers.get('content-type')).toBe(asset.contentType)
      expect(response.headers.get('content-security-policy')).toBe(playgroundCsp)
      expect(response.headers.get('etag')).toBe(asset.etag)
      expect(Buffer.from(await response.arrayBuffer()).equals(asset.body), path).toBe(true)
    }
    expect(playgroundCsp).not.toMatch(/unsafe|\*|https?:|data:/)
  })
})
