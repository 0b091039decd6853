import { setImmediate } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { Outbox } from './outbox.js'

class ScriptedLink {
  canPublish = true
  readonly sent: [string, number[]][] = []
  private waiting: { take(): void; refuse(): void }[] = []

  publish(channel: string, payload: Uint8Array): Promise<unknown> {
    this.sent.push([channel, [...payload]])
    return new Promise((resolve, reject) => {
      this.waiting.push({ take: () => resolve(1), refuse: () => reject(new Error('the connection broke')) })
    })
  }

  together(publish: () => void): void {
    publish()
  }

  async settle(how: 'take' | 'refuse'): Promise<void> {
    for (const each of this.waiting) each[how]()
    this.waiting = []
    await setImmediate()
  }
}

const make = (
  limits = { bytes: 10, publishes: 3 },
): { link: ScriptedLink; outbox: Outbox; drops: () => number; sent: () => number } => {
  const link = new ScriptedLink()
  let dropped = 0
  let sent = 0
  const outbox = new Outbox(link, Uint8Array.of(9), limits, {
    sent: () => sent++,
    dropped: (messages) => (dropped += messages),
  })
  return { link, outbox, drops: () => dropped, sent: () => sent }
}

describe('Outbox', () => {
  test('messages of one channel and turn travel as one payload, at the end of the turn', async () => {
    const { link, outbox, sent } = make()
    outbox.add('x', Uint8Array.of(1))
    outbox.add('y', Uint8Array.of(2))
    outbox.add('x', Uint8Array.of(3))
    expect(link.sent).toEqual([])
    await setImmediate()
    expect(link.sent).toEqual([
      ['x', [9, 1, 3]],
      ['y', [9, 2]],
    ])
    outbox.add('x', Uint8Array.of(4))
    await setImmediate()
    expect(link.sent[2]).toEqual(['x', [9, 4]])
    expect(sent()).toBe(3)
  })

  test('I6: bytes that Redis has not taken are bounded; more is dropped, and goes again when it has', async () => {
    const { link, outbox, drops } = make()
    expect(outbox.add('x', new Uint8Array(8))).toBe(true)
    expect(outbox.add('x', new Uint8Array(3))).toBe(false)
    await setImmediate()
    expect(outbox.add('x', new Uint8Array(3))).toBe(false)
    expect([outbox.bytesInFlight, drops()]).toEqual([8, 2])
    await link.settle('take')
    expect(outbox.add('x', new Uint8Array(3))).toBe(true)
    expect([outbox.bytesInFlight, drops()]).toEqual([3, 2])
  })

  test('I6: payloads are bounded too; a message may still join one of this turn', async () => {
    const { link, outbox, drops } = make()
    for (const channel of ['a', 'b', 'c', 'd']) outbox.add(channel, Uint8Array.of(1))
    expect(outbox.add('a', Uint8Array.of(2))).toBe(true)
    await setImmediate()
    expect(outbox.add('a', Uint8Array.of(3))).toBe(false)
    expect([link.sent.length, drops()]).toEqual([3, 2])
  })

  test('I4: without a connection messages are dropped and counted, nothing throws, nothing stays', async () => {
    const { link, outbox, drops } = make()
    outbox.add('x', Uint8Array.of(1))
    outbox.add('x', Uint8Array.of(2))
    await setImmediate()
    await link.settle('refuse')
    expect([outbox.bytesInFlight, drops()]).toEqual([0, 2])
    outbox.add('x', Uint8Array.of(1))
    link.canPublish = false
    await setImmediate()
    expect([outbox.bytesInFlight, drops(), link.sent.length]).toEqual([0, 3, 1])
    expect(outbox.add('x', Uint8Array.of(1))).toBe(false)
    expect(drops()).toBe(4)
  })

  test('drains: what was added leaves at once, and is waited for', async () => {
    const { link, outbox } = make()
    await outbox.drain()
    outbox.add('x', Uint8Array.of(1))
    let drained = false
    const draining = outbox.drain().then(() => (drained = true))
    expect(link.sent).toHaveLength(1)
    await setImmediate()
    expect(drained).toBe(false)
    await link.settle('take')
    await draining
    expect(link.sent).toHaveLength(1)
  })
})
