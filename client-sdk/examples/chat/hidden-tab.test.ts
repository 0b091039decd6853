import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { until } from '../../../server/src/testing/until.js'
import { ExamplePages } from '../shared/testing/example-pages.js'
import { PlainTab } from '../shared/testing/hidden-tab.js'

test('a hidden page retries on the slower schedule, and soon when it is visible again', async () => {
  const pages = await ExamplePages.start(fileURLToPath(new URL('.', import.meta.url)))
  try {
    // The delays are random from 0 on: here they are nine tenths of their bound.
    const tab = await PlainTab.open(pages.browser, pages.url, 'Math.random = () => 0.9')
    const live = (): Promise<unknown> => tab.evaluate("document.querySelector('#status')?.dataset.live")
    const next = (): Promise<unknown> => tab.evaluate("document.querySelector('#status')?.title")
    await until(async () => (await live()) === 'true', 'connected')
    const other = await PlainTab.open(pages.browser, 'about:blank')
    await other.bringToFront()
    await until(async () => (await tab.evaluate('document.hidden')) === true, 'the page is hidden')
    pages.cutOff()
    await until(async () => (await next()) === 'next attempt after 7200 ms', 'the slow schedule')

    pages.restore()
    const shown = performance.now()
    await tab.bringToFront()
    await until(async () => (await live()) === 'true', 'connected again')
    expect(performance.now() - shown).toBeLessThan(5000)

    pages.cutOff()
    await until(
      async () => /^next attempt after (900|1800) ms$/.test(String(await next())),
      'the fast schedule',
    )
  } finally {
    await pages.dispose()
  }
})
