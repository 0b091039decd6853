import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { maxWindowMs } from './relay-window.js'
import { Relay, type RelayItem } from './relay.js'
import { ScriptedMember, ScriptedOutput, silentObserver } from './testing/scripted.js'

const item = (sender: ScriptedMember | null = null, tag = 0): RelayItem => ({
  payload: Uint8Array.of(tag),
  sender,
  arrived: performance.now(),
  seq: null,
  number: 0,
})

const make = (receivers: number): { output: ScriptedOutput; relay: Relay } => {
  const output = new ScriptedOutput()
  output.receivers = receivers
  return { output, relay: new Relay(output, silentObserver, () => undefined) }
}

const tagsOf = (output: ScriptedOutput): number[] =>
  output.relays.flatMap(({ updates }) => updates.map((update) => update[0]!))

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
  vi.advanceTimersByTime(10_000)
})

afterEach(() => {
  vi.useRealTimers()
})

describe('Relay', () => {
  test('P24: a quiet room relays each update at once', () => {
    const { output, relay } = make(50)
    for (let tag = 0; tag < 5; tag++) {
      relay.add(item(null, tag))
      expect(output.relays).toHaveLength(tag + 1)
      vi.advanceTimersByTime(200)
    }
    expect(tagsOf(output)).toEqual([0, 1, 2, 3, 4])
  })

  test('a busy room gathers: every update once, in order, none later than the longest window, far fewer frames', () => {
    const { output, relay } = make(200)
    const sent = 1_000
    const arrivals: number[] = []
    let checked = 0
    for (let tag = 0; tag < sent; tag++) {
      arrivals.push(performance.now())
      relay.add(item(null, tag % 256))
      vi.advanceTimersByTime(1)
      const delivered = tagsOf(output).length
      for (; checked < delivered; checked++) {
        expect(performance.now() - arrivals[checked]!).toBeLessThanOrEqual(maxWindowMs + 1)
      }
    }
    vi.advanceTimersByTime(maxWindowMs)
    expect(tagsOf(output)).toEqual(Array.from({ length: sent }, (_, tag) => tag % 256))
    expect(output.relays.length).toBeLessThan(sent / 10)
  })

  test('the sender is left out only where a frame holds nothing but its own updates', () => {
    const { output, relay } = make(200)
    const [a, b] = [new ScriptedMember(), new ScriptedMember()]
    for (let i = 0; i < 200; i++) {
      relay.add(item(a))
      vi.advanceTimersByTime(1)
    }
    vi.advanceTimersByTime(maxWindowMs)
    expect(output.relays.every(({ sender }) => sender === a)).toBe(true)
    output.relays.length = 0
    relay.add(item(a))
    for (let i = 0; i < 3; i++) {
      relay.add(item(a))
      relay.add(item(b))
    }
    vi.advanceTimersByTime(maxWindowMs)
    expect(output.relays.at(-1)?.sender).toBeNull()
  })

  test('P29: what is committed and not handed out yet holds the watermark back', () => {
    const { output, relay } = make(200)
    for (let i = 0; i < 200; i++) {
      relay.add(item())
      vi.advanceTimersByTime(1)
    }
    relay.flush()
    const [first, second, third] = [item(), item(), item()]
    for (const each of [first, second, third]) relay.add(each)
    expect(relay.firstWaitingSeq()).toBeNull()
    second.seq = 8
    third.seq = 7
    expect(relay.firstWaitingSeq()).toBe(7)
    relay.flush()
    expect(relay.firstWaitingSeq()).toBeNull()
    const frames = output.relays.length
    vi.advanceTimersByTime(1_000)
    // The timer went with the flush.
    expect(output.relays.length).toBe(frames)
  })
})
