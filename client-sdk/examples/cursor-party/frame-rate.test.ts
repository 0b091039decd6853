import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { until } from '../../../server/src/testing/until.js'
import { Crowd } from '../shared/testing/crowd.js'
import { ExamplePages } from '../shared/testing/example-pages.js'

/* A timing: `npm run test:frames`, on a machine with nothing else to do. */

const count = 200
const rate = 20
const seconds = 5

test(`${count} cursors at ${rate} updates/s each leave the page above 50 frames per second`, async () => {
  const pages = await ExamplePages.start(fileURLToPath(new URL('.', import.meta.url)))
  const crowd = new Crowd(pages.weft.wsUrl, 'crowd', count)
  try {
    const page = await pages.open('?room=crowd')
    let updates = 0
    const counted = await page.context().newCDPSession(page)
    await counted.send('Network.enable')
    counted.on('Network.webSocketFrameReceived', () => updates++)
    await until(() => crowd.here, 'the crowd')
    crowd.dance(rate)
    await page.locator('#people').getByText(`you and ${count} more`).waitFor()
    await counted.detach()

    const before = { sent: crowd.sent, at: performance.now() }
    const frames = await page.evaluate(
      (ms) =>
        new Promise<{ rate: number; slowest: number }>((resolve) => {
          let count = -1
          let [begin, last, slowest] = [0, 0, 0]
          const frame = (now: number): void => {
            if (count++ < 0) begin = now
            else slowest = Math.max(slowest, now - last)
            last = now
            if (now - begin < ms) requestAnimationFrame(frame)
            else resolve({ rate: (count * 1000) / (now - begin), slowest })
          }
          requestAnimationFrame(frame)
        }),
      seconds * 1000,
    )
    const sent = ((crowd.sent - before.sent) * 1000) / (performance.now() - before.at)
    console.log(
      `${frames.rate.toFixed(1)} frames/s, the slowest ${frames.slowest.toFixed(0)} ms, at ${sent.toFixed(0)} updates/s`,
    )
    expect(updates).toBeGreaterThan(0)
    expect(sent).toBeGreaterThan(count * rate * 0.95)
    expect(frames.rate).toBeGreaterThan(50)
    expect(pages.complaints).toEqual([])
  } finally {
    await crowd.close()
    await pages.dispose()
  }
})
