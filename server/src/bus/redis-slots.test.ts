import { expect, test } from 'vitest'
import { slotCount, slotOf, spreadTags } from './redis-slots.js'

// As `CLUSTER KEYSLOT` of Redis 7 answers.
test.each([
  ['', 0],
  ['123456789', 12_739],
  ['foo', 12_182],
  ['{foo}bar', 12_182],
  ['a{foo}{bar}', 12_182],
  ['{}foo', 9_500],
  ['foo{', 7_673],
  ['weft:r:7', 9_488],
  ['é', 10_180],
])('the slot of %j', (key, slot) => {
  expect(slotOf(key)).toBe(slot)
})

test('tags are spread over all parts of the slots', () => {
  const parts = spreadTags(16).map((tag) => Math.floor(slotOf(`any:{${tag}}`) / (slotCount / 16)))
  expect(parts).toEqual(Array.from({ length: 16 }, (_, part) => part))
})
