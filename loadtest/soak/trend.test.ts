import { expect, test } from 'vitest'
import { trendsOf, type Sample } from './trend.js'

const samples = (of: (at: number) => Partial<Sample>): Sample[] =>
  Array.from({ length: 60 }, (_, at) => ({
    at,
    rss: 150e6,
    heap: 40e6,
    descriptors: 100,
    handles: 20,
    connections: 80,
    rooms: 10,
    ...of(at),
  }))
const grown = (of: (at: number) => Partial<Sample>): string[] =>
  trendsOf(samples(of)).flatMap(({ held, isFlat }) => (isFlat ? [] : [held]))

test('what stays, swings or falls is flat, and so is what grew while it warmed up', () => {
  expect(grown(() => ({}))).toEqual([])
  expect(grown((at) => ({ rss: 150e6 + (at % 2) * 30e6, handles: 40 - Math.floor(at / 3) }))).toEqual([])
  expect(grown((at) => ({ rss: 80e6 + Math.min(at, 20) * 5e6 }))).toEqual([])
})

test('what goes on growing is not', () => {
  expect(grown((at) => ({ rss: 150e6 + at * 2e6 }))).toEqual(['rss'])
  expect(grown((at) => ({ heap: 40e6 + at * 1e6 }))).toEqual(['heap'])
  expect(grown((at) => ({ descriptors: 100 + Math.floor(at / 4), handles: 20 + at }))).toEqual([
    'descriptors',
    'handles',
  ])
  expect(grown((at) => ({ connections: at < 50 ? 80 : 81, rooms: 10 + at }))).toEqual([
    'connections',
    'rooms',
  ])
})

test('a run that is too short says so', () => {
  expect(() => trendsOf(samples(() => ({})).slice(0, 12))).toThrow(RangeError)
})
