import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { ScriptedOutput, silentObserver } from './testing/scripted.js'
import { Watermarks } from './watermarks.js'

const options = { watermarkEvents: 10, watermarkInterval: 10_000, messageWatermarkInterval: 2_000 }

const make = (): { output: ScriptedOutput; watermarks: Watermarks; advance(to: number): void } => {
  const output = new ScriptedOutput()
  let head = 0
  const watermarks = new Watermarks(output, options, silentObserver, () => head)
  const advance = (to: number): void => {
    head = to
    watermarks.advanced(to)
  }
  return { output, watermarks, advance }
}

beforeEach(() => {
  vi.useFakeTimers()
})

afterEach(() => {
  vi.useRealTimers()
})

describe('Watermarks (P29)', () => {
  test('leave after some events, or after a while', () => {
    const { output, advance } = make()
    advance(9)
    expect(output.watermarks).toEqual([])
    advance(10)
    expect(output.watermarks).toEqual([10])
    advance(11)
    vi.advanceTimersByTime(9_999)
    expect(output.watermarks).toEqual([10])
    vi.advanceTimersByTime(1)
    expect(output.watermarks).toEqual([10, 11])
  })

  test('leave sooner when a message is among the events, and then as late as before', () => {
    const { output, watermarks, advance } = make()
    // The message passes before the head is told of, and a timer runs already for an update before it.
    advance(1)
    vi.advanceTimersByTime(1_000)
    watermarks.messagePassed()
    advance(2)
    vi.advanceTimersByTime(1_999)
    expect(output.watermarks).toEqual([])
    // Further messages do not put it off.
    watermarks.messagePassed()
    advance(3)
    vi.advanceTimersByTime(1)
    expect(output.watermarks).toEqual([3])
    advance(4)
    vi.advanceTimersByTime(2_000)
    expect(output.watermarks).toEqual([3])
    vi.advanceTimersByTime(8_000)
    expect(output.watermarks).toEqual([3, 4])
  })
})
