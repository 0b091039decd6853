import { fileURLToPath } from 'node:url'
import type { Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { until } from '../../../server/src/testing/until.js'
import { ExamplePages } from '../shared/testing/example-pages.js'

let pages: ExamplePages

const said = (page: Page): Promise<string[]> => page.locator('#messages li > span').allInnerTexts()
const states = (page: Page): Promise<(string | null)[]> =>
  page.locator('#messages li').evaluateAll((items) => items.map((item) => item.getAttribute('data-state')))
const say = async (page: Page, text: string): Promise<void> => {
  await page.getByLabel('Message', { exact: true }).fill(text)
  await page.getByRole('button', { name: 'Send' }).click()
}
/** Faster than any person. */
const sayAll = (page: Page, texts: readonly string[]): Promise<void> =>
  page.evaluate((all) => {
    const input = document.querySelector('input')
    if (input === null) throw new Error('no input')
    for (const text of all) {
      input.value = text
      document.querySelector('form')?.requestSubmit()
    }
  }, texts)
const live = (page: Page): Promise<void> => page.locator('#status[data-live="true"]').waitFor()

beforeAll(async () => {
  pages = await ExamplePages.start(fileURLToPath(new URL('.', import.meta.url)))
})

afterEach(async () => {
  await pages.closePages()
  expect(pages.complaints).toEqual([])
})

afterAll(() => pages.dispose())

test('messages of a time without a connection arrive once, in one order for all (I2), and are "sent" only then (I1)', async () => {
  const [ada, grace] = await Promise.all([pages.open('?name=Ada'), pages.open('?name=Grace')])
  await Promise.all([live(ada), live(grace)])
  await say(ada, 'one')
  await until(async () => (await said(grace)).length === 1, 'Grace hears it')
  await until(async () => (await states(ada)).join() === 'sent', 'it is marked as sent')
  expect(await states(grace)).toEqual([''])

  pages.cutOff()
  await ada.locator('#status[data-live="false"]').waitFor()
  await say(ada, 'two')
  await say(grace, 'deux')
  await say(ada, 'three')
  expect(await states(ada)).toEqual(['sent', 'sending', 'sending'])
  pages.restore()

  await until(async () => (await said(ada)).length === 4 && (await said(grace)).length === 4, 'all are here')
  await until(async () => !(await states(ada)).includes('sending'), 'all are sent')
  const order = await said(ada)
  expect(await said(grace)).toEqual(order)
  expect(order[0]).toBe('one')
  expect(order.indexOf('two')).toBeLessThan(order.indexOf('three'))
  expect(order.toSorted()).toEqual(['deux', 'one', 'three', 'two'])

  // A cut in the middle of a stream: what was acknowledged is not sent again, what was not is recognised.
  const texts = Array.from({ length: 30 }, (_, i) => `word ${i}`)
  await sayAll(ada, texts.slice(0, 15))
  pages.proxy.cut()
  await sayAll(ada, texts.slice(15))
  const all = [...order, ...texts]
  await until(async () => (await said(grace)).length >= all.length, 'Grace has all')
  await until(async () => !(await states(ada)).includes('sending'), 'all are sent')
  expect(await said(ada)).toEqual(all)
  expect(await said(grace)).toEqual(all)
})

test('who comes later reads the newest messages, and older ones by scrolling up, in order', async () => {
  const room = '?room=history'
  const ada = await pages.open(room)
  await live(ada)
  const texts = Array.from({ length: 120 }, (_, i) => `line ${i}`)
  await sayAll(ada, texts)
  await until(async () => (await states(ada)).every((state) => state === 'sent'), 'all are sent')

  const late = await pages.open(room)
  await until(async () => (await said(late)).at(-1) === 'line 119', 'the newest are here')
  expect(await said(late)).toEqual(texts.slice(-50))
  const log = late.locator('#log')
  await until(async () => {
    await log.evaluate((element) => (element.scrollTop = 0))
    return (await said(late)).length === texts.length
  }, 'the oldest are here')
  expect(await said(late)).toEqual(texts)
})

test('a message that the server refuses stays, and says why', async () => {
  const ada = await pages.open('?room=refused')
  await live(ada)
  await sayAll(ada, ['one', 'x'.repeat(70_000), 'two'])
  await until(async () => (await states(ada)).filter((state) => state === 'sent').length === 2, 'the others')
  const refused = (await states(ada)).filter((state) => state !== 'sent')
  expect(refused).toEqual([expect.stringMatching(/^not sent: .*70.*bytes/)])
})

test('a room that was deleted and made again begins anew (P20)', async () => {
  const ada = await pages.open('?room=anew')
  await live(ada)
  await say(ada, 'old')
  await until(async () => (await states(ada)).join() === 'sent', 'it is sent')
  await pages.recreate('anew', (room) =>
    room.events.append('message', { name: 'Grace', color: '#000', text: 'new' }),
  )
  await until(async () => (await said(ada)).join() === 'new', 'the new log alone')
  await say(ada, 'newer')
  await until(async () => (await said(ada)).join() === 'new,newer', 'it goes on')
})
