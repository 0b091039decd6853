import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { FairShares } from '../tenants/index.js'
import { at, Inbox } from './session.js'

const bytes = (value: number): Uint8Array => new Uint8Array(100).fill(value)
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

describe('the inbox', () => {
  test('handles messages in order, also when one takes a while, and after one that failed', async () => {
    const handled: number[] = []
    const failures: unknown[] = []
    const inbox = new Inbox({
      handle: (message) => {
        const value = message[0] ?? 0
        if (value === 3) throw new Error('at once')
        if (value % 2 === 0) {
          handled.push(value)
          return null
        }
        return turn().then(() => {
          handled.push(value)
          if (value === 5) throw new Error('later')
        })
      },
      failed: (error) => failures.push((error as Error).message),
    })
    for (let value = 0; value < 8; value++) inbox.add(bytes(value))
    // Beside the six messages their objects count.
    expect(inbox.waitingBytes).toBeGreaterThanOrEqual(600)
    for (let i = 0; i < 20; i++) await turn()
    expect(handled).toEqual([0, 1, 2, 4, 5, 6, 7])
    expect(failures).toEqual(['at once', 'later'])
    expect(inbox.waitingBytes).toBe(0)
  })

  test('I6: what has been handled is let go of, also when the client never pauses', async () => {
    let live = 0
    const gone = new FinalizationRegistry(() => live--)
    const inbox = new Inbox({ handle: () => turn(), failed: () => undefined })
    let added = 0
    const add = (): void => {
      const message = new Uint8Array(1024 * 1024)
      gone.register(message, null)
      live++
      added++
      inbox.add(message)
    }
    for (let i = 0; i < 4; i++) add()
    while (added < 100) {
      await turn()
      if (inbox.waitingBytes < 4 * 1024 * 1024) add()
    }
    expect(inbox.waitingBytes).toBeGreaterThan(0)
    collectGarbage()
    // Some that were handled last may still be there, and four wait.
    await vi.waitFor(() => expect(live).toBeLessThan(25))
  })

  test('I6: what waits counts among what the tenant may have waiting, from when it is known until it is handled or closed', async () => {
    const share = new FairShares(50).limit(3_000).share('red')
    const [one, two] = [0, 1].map(() => new Inbox({ handle: () => turn(), failed: () => undefined }))
    if (one === undefined || two === undefined) throw new Error('no inbox')
    for (let i = 0; i < 3; i++) one.add(bytes(i))
    one.account(share)
    expect(share.used).toBe(one.waitingBytes)
    two.account(share)
    expect(two.isOverShare).toBe(false)
    for (let i = 0; i < 6; i++) one.add(bytes(i))
    expect(two.isOverShare).toBe(true)
    two.add(bytes(0))
    two.add(bytes(1))
    two.close()
    await vi.waitFor(() => expect(share.used).toBe(0))
  })

  test('P75: when it finishes, what came before is handled, and nothing after it', async () => {
    const handled: number[] = []
    const inbox = new Inbox({
      handle: (message) => turn().then(() => void handled.push(message[0] ?? 0)),
      failed: () => undefined,
    })
    for (let value = 0; value < 3; value++) inbox.add(bytes(value))
    const finished = new Promise<void>((resolve) => inbox.finish(resolve))
    inbox.add(bytes(3))
    await finished
    expect(handled).toEqual([0, 1, 2])
  })

  test('nothing is handled after the close', async () => {
    const handled: number[] = []
    const inbox = new Inbox({
      handle: (message) => turn().then(() => void handled.push(message[0] ?? 0)),
      failed: () => undefined,
    })
    for (let value = 0; value < 5; value++) inbox.add(bytes(value))
    await turn()
    inbox.close()
    inbox.add(bytes(9))
    for (let i = 0; i < 10; i++) await turn()
    expect(handled.length).toBeLessThanOrEqual(2)
    expect(inbox.waitingBytes).toBe(0)
  })
})

describe('P9: an expiry', () => {
  beforeEach(() => {
    vi.useFakeTimers()
  })
  afterEach(() => {
    vi.useRealTimers()
  })

  test('is met also when it is further away than a timer reaches', () => {
    const expired = vi.fn()
    const day = 24 * 3_600_000
    at(Date.now() + 60 * day, expired)
    vi.advanceTimersByTime(60 * day - 1)
    expect(expired).not.toHaveBeenCalled()
    vi.advanceTimersByTime(1)
    expect(expired).toHaveBeenCalledOnce()
  })

  test('in the past is met at once, and one that was cancelled never', () => {
    const expired = vi.fn()
    at(Date.now() - 1_000, expired)
    const cancelled = vi.fn()
    at(Date.now() + 1_000, cancelled)()
    vi.advanceTimersByTime(2_000)
    expect(expired).toHaveBeenCalledOnce()
    expect(cancelled).not.toHaveBeenCalled()
  })
})
