import { describe, expect, test, vi } from 'vitest'
import { BatchEnd } from './batch-end.js'

describe('BatchEnd', () => {
  test('rooms are told after the code that runs now, once for each time they asked, in that order', async () => {
    const told: string[] = []
    const end = new BatchEnd({ fault: vi.fn() })
    const room = (name: string) => ({ afterBatch: () => void told.push(name) })
    const [a, b] = [room('a'), room('b')]
    end.await(a)
    end.await(b)
    expect(told).toEqual([])
    await Promise.resolve()
    expect(told).toEqual(['a', 'b'])
    end.await(b)
    await Promise.resolve()
    expect(told).toEqual(['a', 'b', 'b'])
  })

  test('I7: a room that throws is reported, and holds up nobody', async () => {
    const fault = vi.fn()
    const told = vi.fn()
    const end = new BatchEnd({ fault })
    const broken = new Error('broken')
    end.await({
      afterBatch: () => {
        throw broken
      },
    })
    // What a room asks for while it is told comes in a round of its own.
    end.await({ afterBatch: () => end.await({ afterBatch: told }) })
    await Promise.resolve()
    await Promise.resolve()
    expect(fault).toHaveBeenCalledExactlyOnceWith('acknowledging a batch failed', broken)
    expect(told).toHaveBeenCalledOnce()
  })
})
