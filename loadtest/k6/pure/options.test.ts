import { describe, expect, test } from 'vitest'
import { OptionError, Options } from './options.js'

const read = new Options({
  EMPTY: ' ',
  COUNT: '12',
  SHARE: '0.5',
  WORD: 'yjs',
  TIME: '90s',
  URLS: 'ws://a:1, https://b.example/weft/',
  WRONG: 'x',
})

test('what is not given, or empty, has its default', () => {
  expect(read.integer('NONE', 3)).toBe(3)
  expect(read.integer('EMPTY', 3)).toBe(3)
  expect(read.number('NONE', 0.25)).toBe(0.25)
  expect(read.text('EMPTY', 'word')).toBe('word')
  expect(read.seconds('NONE', '2m')).toBe(120)
  expect(read.urls('NONE', 'ws://127.0.0.1:4400')).toEqual(['ws://127.0.0.1:4400'])
  expect(read.choice('NONE', 'weft', ['weft', 'yjs'])).toBe('weft')
})

test('what is given is read', () => {
  expect(read.integer('COUNT', 3)).toBe(12)
  expect(read.number('SHARE', 3)).toBe(0.5)
  expect(read.choice('WORD', 'weft', ['weft', 'yjs'])).toBe('yjs')
  expect(read.seconds('TIME', '1s')).toBe(90)
  expect(new Options({ TIME: '250ms' }).seconds('TIME', '1s')).toBe(0.25)
  expect(new Options({ TIME: '2h' }).seconds('TIME', '1s')).toBe(7200)
  expect(read.urls('URLS', '')).toEqual(['ws://a:1', 'wss://b.example/weft'])
})

describe('what cannot be used is refused in a sentence that names it', () => {
  test.each<[string, () => unknown]>([
    [
      'WRONG must be a whole number from 1 to 5, and is "x".',
      () => read.integer('WRONG', 1, { min: 1, max: 5 }),
    ],
    [
      'COUNT must be a whole number from 1 to 5, and is "12".',
      () => read.integer('COUNT', 1, { min: 1, max: 5 }),
    ],
    ['SHARE must be a whole number from 0 to 9, and is "0.5".', () => read.integer('SHARE', 1, { max: 9 })],
    ['WRONG must be a number from 0 to 9, and is "x".', () => read.number('WRONG', 1, { max: 9 })],
    ['WRONG must be one of weft, yjs, and is "x".', () => read.choice('WRONG', 'weft', ['weft', 'yjs'])],
    ['COUNT must be like 500ms, 30s, 5m or 1h, and is "12".', () => read.seconds('COUNT', '1s')],
    [
      'WRONG must be ws:// or wss:// addresses separated by commas, and is "x".',
      () => read.urls('WRONG', 'ws://a'),
    ],
  ])('%s', (sentence, attempt) => {
    expect(attempt).toThrow(new OptionError(sentence))
  })
})
