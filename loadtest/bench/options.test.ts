import { expect, test } from 'vitest'
import { targetNames } from './bench.js'
import { readOptions } from './options.js'
import { scenarios } from './scenarios/index.js'

test('everything, unless something is named', () => {
  const { chosen, only, quick, json, flags, help } = readOptions([])
  expect([chosen, only]).toEqual([scenarios, targetNames])
  expect([quick, json, flags, help]).toEqual([false, undefined, [], false])
  expect(targetNames).toEqual(['bare', 'weft', 'weft-yjs', 'y-websocket', 'hocuspocus', 'hocuspocus-db'])
})

test('scenarios in the order in which they are named, and servers', () => {
  const options = readOptions([
    'rooms',
    'fanout',
    '--only',
    'weft,hocuspocus-db',
    '--quick',
    '--json',
    'a.json',
  ])
  expect(options.chosen.map(({ name }) => name)).toEqual(['rooms', 'fanout'])
  expect(options).toMatchObject({ only: ['weft', 'hocuspocus-db'], quick: true, json: 'a.json' })
})

test('what does not exist is named, with the usage', () => {
  expect(() => readOptions(['fanuot'])).toThrow(/no scenario fanuot[^]*--only/)
  expect(() => readOptions(['--only', 'weft,etherpad'])).toThrow(/no server etherpad[^]*y-websocket/)
})
