/* The todo list on two pages of a real browser. */
import { fileURLToPath } from 'node:url'
import type { Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { until } from '../../../server/src/testing/until.js'
import { ExamplePages } from '../shared/testing/example-pages.js'

let pages: ExamplePages

beforeAll(async () => {
  pages = await ExamplePages.start(fileURLToPath(new URL('.', import.meta.url)), 'main.tsx')
})

afterAll(() => pages.dispose())

const add = async (page: Page, text: string): Promise<void> => {
  await page.getByLabel('New todo').fill(text)
  await page.getByLabel('New todo').press('Enter')
}
const shows = (page: Page, list: string): Promise<void> =>
  until(async () => (await page.locator('li span').allInnerTexts()).join() === list, `the list ${list}`)
const saved = (page: Page): Promise<void> =>
  until(async () => (await page.locator('#saved').innerText()) === 'All changes saved', 'all is saved')

test('two pages add, tick off and move; one goes on offline, and both are the same after it', async () => {
  const [a, b] = await Promise.all([pages.open(), pages.open()])
  await add(a, 'milk')
  await shows(b, 'milk')
  await add(b, 'tea')
  await add(b, 'bread')
  await shows(a, 'milk,tea,bread')
  await a.getByLabel('tea', { exact: true }).check()
  await until(() => b.getByLabel('tea', { exact: true }).isChecked(), 'it is ticked off on the other page')
  await b.getByLabel('Move bread up').click()
  await shows(a, 'milk,bread,tea')
  await saved(b)

  pages.cutOff()
  await until(async () => (await a.locator('#status').innerText()) === 'offline', 'cut off')
  await add(a, 'salt')
  await shows(a, 'milk,bread,tea,salt')
  await b.getByLabel('Delete milk').click()
  expect(await a.locator('#saved').innerText()).toBe('1 unsaved')
  await shows(b, 'bread,tea')
  pages.restore()
  await Promise.all([saved(a), saved(b)])
  await Promise.all([shows(a, 'bread,tea,salt'), shows(b, 'bread,tea,salt')])
  expect(pages.complaints).toEqual([])
})
