import { fileURLToPath } from 'node:url'
import type { Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { until } from '../../../server/src/testing/until.js'
import { ExamplePages } from '../shared/testing/example-pages.js'

let pages: ExamplePages

beforeAll(async () => {
  pages = await ExamplePages.start(fileURLToPath(new URL('.', import.meta.url)))
})

afterEach(async () => {
  await pages.closePages()
  expect(pages.complaints).toEqual([])
})

afterAll(() => pages.dispose())

/** Whether anything is painted in the square of 30 pixels below and right of a point of the canvas. */
const painted = (page: Page, x: number, y: number): Promise<boolean> =>
  page.evaluate(
    ([left, top]) => {
      const canvas = document.querySelector('canvas')
      if (canvas === null) return false
      // A copy, as a canvas that is read often is drawn another way.
      const copy = document.createElement('canvas').getContext('2d', { willReadFrequently: true })
      copy?.drawImage(canvas, left, top, 30, 30, 0, 0, 30, 30)
      const pixels = copy?.getImageData(0, 0, 30, 30).data
      return pixels?.some((value) => value !== 0) === true
    },
    [x, y] as const,
  )

test("a pointer shows on the other's page where it is, follows its moves, and goes with its page", async () => {
  const [ada, grace] = await Promise.all([pages.open('?name=Ada'), pages.open('?name=Grace')])
  await ada.locator('#people').getByText('you and 1 more').waitFor()
  const box = await ada.locator('canvas').boundingBox()
  if (box === null) throw new Error('no canvas')

  await ada.mouse.move(box.x + 200, box.y + 200)
  await until(() => painted(grace, 200, 200), 'the pointer')
  expect(await painted(grace, 500, 300)).toBe(false)
  await ada.mouse.move(box.x + 500, box.y + 300, { steps: 20 })
  await until(() => painted(grace, 500, 300), 'the pointer at its new place')
  expect(await painted(grace, 200, 200)).toBe(false)

  await ada.close()
  await until(async () => !(await painted(grace, 500, 300)), 'the pointer has gone')
  await until(async () => (await grace.locator('#people').innerText()) === '', 'nobody else is here')
})
