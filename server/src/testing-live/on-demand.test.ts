/* The SDK as a bundler splits it, in a real browser, against a real server: chunks that do not come when they are needed. */
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { basename } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Client, Room } from '@weft/client'
import { build } from 'esbuild'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { launchChromium } from '../testing/chromium.js'
import { startServer, type TestServer } from '../testing/start-server.js'
import { makeToken, testSecret } from '../testing/tokens.js'

/** What the page shows to the test. */
declare const app: {
  open(url: string, token: string): Promise<{ client: Client; room: Room; told: string[] }>
  room: Room
  told: string[]
}

const page = `
  import { createClient } from '@weft/client'
  globalThis.app = {
    told: [],
    open: async (url, token) => {
      const { told } = app
      app.client = createClient({ url, auth: token })
      const room = (app.room = app.client.room('a'))
      room.on('error', ({ code }) => told.push(code))
      room.on('rejected', ({ code, outcome }) => told.push(code + ' ' + outcome))
      room.on('reset', ({ reason, unsaved }) => told.push(reason + ' ' + unsaved.length))
      room.on('saved', () => told.push('saved'))
      await room.synced()
    },
  }
`

let weft: TestServer
let browser: Browser
let files: Server
let url: string
/** Names of chunks that the server of the page does not have now. */
const missing = new Set<string>()
const asked: string[] = []

beforeAll(async () => {
  ;[weft, browser] = await Promise.all([startServer({ jwtSecret: testSecret }), launchChromium()])
  const { outputFiles } = await build({
    stdin: { contents: page, resolveDir: fileURLToPath(new URL('.', import.meta.url)), loader: 'js' },
    bundle: true,
    splitting: true,
    minify: true,
    format: 'esm',
    platform: 'browser',
    outdir: '/',
    write: false,
  })
  const chunks = new Map(outputFiles.map(({ path, contents }) => [basename(path), contents]))
  files = createServer((request, response) => {
    const name = (request.url ?? '').slice(1)
    const chunk = chunks.get(name)
    const part = name.replace(/-\w{8}\.js$/, '')
    asked.push(part)
    if (name === '') {
      const html = '<!doctype html><script type="module" src="/stdin.js"></script>'
      response.writeHead(200, { 'content-type': 'text/html' }).end(html)
    } else if (chunk && !missing.has(part))
      response.writeHead(200, { 'content-type': 'text/javascript' }).end(chunk)
    else response.writeHead(404).end()
  })
  await new Promise<void>((resolve) => void files.listen(0, '127.0.0.1', resolve))
  url = `http://127.0.0.1:${(files.address() as AddressInfo).port}/`
})

afterAll(async () => {
  await browser.close()
  files.close()
  await weft.dispose()
})

const shown = (tab: Page): Promise<unknown> =>
  tab.evaluate(() => [app.room.doc.getText('t').toJSON(), app.room.unsaved, app.told])

test('a refusal whose code the page cannot load: nothing is lost, and it is seen to when the code comes', async () => {
  const tab = await browser.newPage()
  await tab.goto(url)
  await tab.waitForFunction(() => 'app' in globalThis)
  missing.add('refusal')
  const token = await makeToken({ a: 'read' }, { user: 'ada' })
  await tab.evaluate(([to, as]) => app.open(to, as).then(() => undefined), [weft.wsUrl, token] as const)
  // What every page loads, and nothing of what few pages need.
  expect(asked.filter((part) => ['refusal', 'event-reader', 'token-refresh', 'idle'].includes(part))).toEqual(
    [],
  )
  await tab.evaluate(() => app.room.doc.getText('t').insert(0, 'mine'))
  await tab.waitForFunction(() => app.told.filter((code) => code === 'not_loaded').length > 1)
  await tab.evaluate(() => app.room.doc.getText('t').insert(4, ', later'))
  expect(await shown(tab)).toMatchObject(['mine, later', 2, { length: expect.any(Number) as number }])
  expect(await tab.evaluate(() => new Set(app.told).size)).toBe(1)
  missing.clear()
  await tab.waitForFunction(() => app.told.includes('saved'))
  await tab.evaluate(() => app.room.synced())
  const [text, unsaved, told] = (await shown(tab)) as [string, number, string[]]
  expect([text, unsaved]).toEqual(['', 0])
  expect(told.filter((code) => !['not_loaded', 'saved'].includes(code))).toEqual([
    'forbidden reset',
    'rejected 2',
  ])
  expect(weft.faults).toEqual([])
})
