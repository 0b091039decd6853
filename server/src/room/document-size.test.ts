import { expect, test } from 'vitest'
import { growth, measureAgainMs } from './document-size.js'

const size = { maxBytes: 1_000, baseBytes: 100, tailBytes: 50, dueBytes: 100, age: Infinity }
const old = { age: measureAgainMs }
const fresh = { age: 0 }

test.each([
  ['a small document', {}, 10, 'fits'],
  ['a small one with a tail that is due', { tailBytes: 500 }, 10, 'fits'],
  ['one up to the limit', {}, 900, 'fits'],
  ['a tail that takes it beyond while it is not due', { baseBytes: 950, ...fresh }, 50, 'fits'],
  ['a tail that may take it beyond, and is due', { baseBytes: 500, tailBytes: 500, ...fresh }, 10, 'unknown'],
  ['one that was measured, and is full', { baseBytes: 995, ...fresh }, 10, 'full'],
  ['one that was full a while ago', { baseBytes: 995, ...old }, 10, 'unknown'],
  ['an update beyond the limit by itself', { baseBytes: 0, ...fresh }, 1_001, 'full'],
])('P76: %s', (_, part, bytes, expected) => expect(growth({ ...size, ...part }, bytes)).toBe(expected))
