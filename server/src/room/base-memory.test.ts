import { expect, it } from 'vitest'
import { BaseMemory } from './base-memory.js'

const holder = (name: string, dropped: string[]): { dropBase(): void } => ({
  dropBase: () => void dropped.push(name),
})

it('I6: past the limit the least recently used bases are let go of', () => {
  const dropped: string[] = []
  const memory = new BaseMemory(100)
  const [a, b, c] = [holder('a', dropped), holder('b', dropped), holder('c', dropped)]
  memory.hold(a, 40)
  memory.hold(b, 40)
  memory.use(a)
  memory.hold(c, 40)
  expect(dropped).toEqual(['b'])
  expect(memory.bytes).toBe(80)
})

it('a base larger than the limit is held alone', () => {
  const dropped: string[] = []
  const memory = new BaseMemory(100)
  const [a, b] = [holder('a', dropped), holder('b', dropped)]
  memory.hold(a, 60)
  memory.hold(b, 500)
  expect(dropped).toEqual(['a'])
  memory.hold(b, 30)
  memory.release(b)
  memory.release(a)
  expect(memory.bytes).toBe(0)
})
