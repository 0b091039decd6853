import { expect, test } from 'vitest'
import { OlderNodes } from './older-nodes.js'

test('rolling upgrades: an older node counts until it is replaced, or silent for ten seconds', () => {
  const older = new OlderNodes()
  expect(older.isAnyHeard(0)).toBe(false)
  older.alive('new', true, 0)
  expect(older.isAnyHeard(0)).toBe(false)
  older.alive('x', false, 0)
  older.alive('y', false, 5_000)
  expect(older.isAnyHeard(9_999)).toBe(true)
  older.alive('y', true, 9_999)
  expect([older.isAnyHeard(9_999), older.isAnyHeard(10_000)]).toEqual([true, false])
})

test('I6: nodes that are heard do not make it grow without limit', () => {
  const older = new OlderNodes()
  for (let i = 0; i < 1_000; i++) older.alive(`n${i}`, false, 0)
  older.alive('one too many', false, 9_000)
  expect(older.isAnyHeard(10_000)).toBe(false)
})
