import { fileURLToPath } from 'node:url'
import type { Locator, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import * as Y from 'yjs'
import { until } from '../../../server/src/testing/until.js'
import { ExamplePages } from '../shared/testing/example-pages.js'

let pages: ExamplePages

const editor = (page: Page): Locator => page.getByLabel('Shared text')

beforeAll(async () => {
  pages = await ExamplePages.start(fileURLToPath(new URL('.', import.meta.url)))
})

afterEach(async () => {
  await pages.closePages()
  expect(pages.complaints).toEqual([])
})

afterAll(() => pages.dispose())

test('three pages that open an empty room at once get its first content once (P54), and share what is written', async () => {
  const [ada, grace, joan] = await Promise.all(
    ['Ada', 'Grace', 'Joan'].map((name) => pages.open(`?name=${name}`)),
  )
  if (ada === undefined || grace === undefined || joan === undefined) throw new Error('no pages')
  for (const page of [ada, grace, joan]) {
    await page.locator('h1', { hasText: 'Welcome' }).waitFor()
    await page.locator('#status').getByText('Saved').waitFor()
    expect(await editor(page).locator('h1').count()).toBe(1)
  }

  await editor(ada).locator('p').last().click()
  await ada.keyboard.press('Control+End')
  await ada.keyboard.press('Enter')
  await ada.keyboard.press('Control+b')
  await ada.keyboard.type('bold words')
  await grace.locator('.tiptap strong', { hasText: 'bold words' }).waitFor()
  await grace.locator('.collaboration-carets__label', { hasText: 'Ada' }).waitFor({ state: 'attached' })

  await editor(grace).locator('h1').click()
  await grace.keyboard.press('End')
  await grace.keyboard.type(' back')
  await ada.locator('.tiptap h1', { hasText: 'Welcome back' }).waitFor()
  await until(async () => (await editor(ada).locator('p').count()) >= 2, 'the paragraphs')

  await ada.reload()
  await ada.locator('.tiptap strong', { hasText: 'bold words' }).waitFor()
  const headings = await editor(ada).locator('h1').allInnerTexts()
  // With Grace's cursor, and her name on it, at its end.
  expect(headings.map((text) => text.split('\n')[0])).toEqual(['Welcome back'])
})

test('a room that was deleted and made again has another text in the editor (P20)', async () => {
  const ada = await pages.open('?room=anew')
  await ada.locator('h1', { hasText: 'Welcome' }).waitFor()
  await ada.locator('#status').getByText('Saved').waitFor()
  await pages.recreate('anew', ({ doc }) => {
    const paragraph = new Y.XmlElement('paragraph')
    paragraph.insert(0, [new Y.XmlText('another text')])
    doc.getXmlFragment('default').insert(0, [paragraph])
  })
  await editor(ada).locator('p', { hasText: 'another text' }).waitFor()
  expect(await editor(ada).locator('h1').count()).toBe(0)
  await editor(ada).click()
  await ada.keyboard.press('Control+End')
  await ada.keyboard.type(', and more')
  const grace = await pages.open('?room=anew')
  await editor(grace).locator('p', { hasText: 'another text, and more' }).waitFor()
})
