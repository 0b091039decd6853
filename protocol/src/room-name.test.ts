import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { ProtocolError, checkRoomName, isWellFormed, roomNameFromPath } from './index.js'

const refusal = (name: string): string | undefined => {
  try {
    checkRoomName(name)
    return undefined
  } catch (error) {
    if (error instanceof ProtocolError && error.code === 'invalid_room_name') return error.message
    throw error
  }
}

describe('P12: room names', () => {
  test.each([
    'a',
    'design/42',
    ' leading and trailing ',
    '../../etc/passwd',
    '%00',
    '?token=x#y',
    '日本語',
    '🧶',
    '\u202Ertl',
    '\n',
    '__proto__',
    'x'.repeat(512),
    '日'.repeat(170),
    '🧶'.repeat(128),
  ])('%j is one', (name) => {
    expect(refusal(name)).toBeUndefined()
  })

  test.each([
    ['', 'empty'],
    ['\0', 'NUL'],
    ['a\0b', 'NUL'],
    ['\ud83e', 'lone surrogate'],
    ['a\udde6b', 'lone surrogate'],
    ['\udde6\ud83e', 'lone surrogate'],
    ['x'.repeat(513), 'longer than 512 bytes'],
    ['日'.repeat(171), 'longer than 512 bytes'],
    ['🧶'.repeat(129), 'longer than 512 bytes'],
    ['x'.repeat(1_000_000), 'longer than 512 bytes'],
  ])('%j is none: %s', (name, reason) => {
    expect(refusal(name)).toContain(reason)
  })

  test('a string is well-formed when it survives UTF-8', () => {
    const surrogates = fc.string({ unit: fc.constantFrom('a', '\ud83e', '\udde6', '日'), maxLength: 6 })
    fc.assert(
      fc.property(surrogates, (name) => {
        expect(isWellFormed(name)).toBe(new TextDecoder().decode(new TextEncoder().encode(name)) === name)
      }),
      { numRuns: 2000 },
    )
  })
})

describe('P37: room names in a path', () => {
  test.each([
    ['design/42', 'design/42'],
    ['design%2F42', 'design/42'],
    ['a%20b', 'a b'],
    ['100%25', '100%'],
    ['%252F', '%2F'],
    ['%E6%97%A5', '日'],
    ['日', '日'],
    ['a+b', 'a+b'],
  ])('%s is %s, decoded once', (path, name) => {
    expect(roomNameFromPath(path)).toBe(name)
  })

  test.each(['', '%', '%zz', '%00', '%ED%A0%80', '%C0%AF', 'x'.repeat(513)])('%j is none', (path) => {
    expect(() => roomNameFromPath(path)).toThrow(ProtocolError)
  })

  test('every room name comes back from its encoded path', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', minLength: 1, maxLength: 100 }), (name) => {
        fc.pre(!name.includes('\0'))
        expect(roomNameFromPath(encodeURIComponent(name))).toBe(name)
      }),
    )
  })
})
