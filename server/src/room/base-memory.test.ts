import { expect, it } from 'vitest'
import { BaseMemory } from './base-memory.js'

const holder = (name: string, dropped: string[]): { dropBase(): void } => ({
  dropBase: () => void dropped.push(name),
})

it('I6: past the limit the least recently used bases are let go of', () => {
  const dropped: string[] = []
  const memory = new BaseMemory(100).forTenant()
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
  const memory = new BaseMemory(100).forTenant()
  const [a, b] = [holder('a', dropped), holder('b', dropped)]
  memory.hold(a, 60)
  memory.hold(b, 500)
  expect(dropped).toEqual(['a'])
  memory.hold(b, 30)
  memory.release(b)
  memory.release(a)
  expect(memory.bytes).toBe(0)
})

it('I6: a tenant whose bases take most lets go of them, and not another', () => {
  const dropped: string[] = []
  const memory = new BaseMemory(100)
  const [small, large] = [memory.forTenant(), memory.forTenant()]
  small.hold(holder('small', dropped), 20)
  for (const name of ['a', 'b', 'c', 'd']) large.hold(holder(name, dropped), 30)
  expect(dropped).toEqual(['a', 'b'])
  // Also when it is the small one that takes something in.
  small.hold(holder('small too', dropped), 30)
  expect(dropped).toEqual(['a', 'b', 'c'])
  expect([small.bytes, large.bytes, memory.bytes]).toEqual([50, 30, 80])
})
