import { fileURLToPath } from 'node:url'
import type { Locator, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { until } from '../../../server/src/testing/until.js'
import { ExamplePages } from '../shared/testing/example-pages.js'

let pages: ExamplePages

const editor = (page: Page): Locator => page.getByLabel('Shared text')
const lines = (page: Page): Promise<string[]> => page.locator('.cm-line').allInnerTexts()

beforeAll(async () => {
  pages = await ExamplePages.start(fileURLToPath(new URL('.', import.meta.url)))
})

afterEach(async () => {
  await pages.closePages()
  expect(pages.complaints).toEqual([])
})

afterAll(() => pages.dispose())

test('two pages write one text, see where the other is, and undo their own changes only', async () => {
  const [ada, grace] = await Promise.all([pages.open('?name=Ada'), pages.open('?name=Grace')])
  await Promise.all([
    grace.locator('#people').getByText('you and 1 more').waitFor(),
    ada.locator('#status').getByText('Saved').waitFor(),
  ])
  await editor(ada).click()
  await ada.keyboard.type('first')
  await until(async () => (await lines(grace))[0]?.includes('first') === true, 'Grace sees it')
  await grace.locator('.cm-ySelectionInfo', { hasText: 'Ada' }).waitFor({ state: 'attached' })

  await editor(grace).click()
  await grace.keyboard.press('Control+Home')
  await grace.keyboard.type('her line')
  await grace.keyboard.press('Enter')
  await until(async () => (await lines(ada)).length === 2, 'Ada sees it')
  await ada.keyboard.press('Control+z')
  await until(async () => !(await lines(grace)).join('|').includes('first'), 'it is undone')
  expect((await lines(grace))[0]).toContain('her line')
  await ada.locator('#status').getByText('Saved').waitFor()
})

test('a room that was deleted and made again has another text in the editor (P20)', async () => {
  const room = '?room=anew'
  const [ada, grace] = await Promise.all([pages.open(room), pages.open(room)])
  await ada.locator('#status').getByText('Saved').waitFor()
  await editor(ada).click()
  await ada.keyboard.type('old')
  await until(async () => (await lines(grace))[0]?.includes('old') === true, 'Grace sees it')
  await ada.locator('#status').getByText('Saved').waitFor()
  await pages.recreate('anew', ({ doc }) => doc.getText('text').insert(0, 'new'))
  // The other's cursor may stand in it, with a name.
  const isNew = async (page: Page): Promise<boolean> => {
    const shown = (await lines(page)).join()
    return shown.includes('new') && !shown.includes('old')
  }
  await until(async () => (await isNew(ada)) && (await isNew(grace)), 'the new text alone')
  await editor(ada).click()
  await ada.keyboard.press('Control+End')
  await ada.keyboard.type('er')
  await until(
    async () => (await lines(grace))[0]?.includes('newer') === true,
    'Grace sees what is typed in it',
  )
})
