import { expect, test } from 'vitest'
import { roomOf, tokenOf, urlOf } from './room-url.js'
import { inventPersonName, inventRoomName } from './words.js'

const page = new URL('https://weft.example/?room=old#token=secret')

test.each(['design/42', 'a b+c', '100%', '?x=1&room=2#z', '日本 🧶', '\'"<>'])(
  'the room %j survives its URL',
  (room) => {
    const url = new URL(urlOf(room, page))
    expect(roomOf(url)).toBe(room)
    expect(url.origin).toBe(page.origin)
  },
)

test('a link to a room never carries the token', () => {
  expect(tokenOf(page)).toBe('secret')
  expect(tokenOf(new URL(urlOf('r', page)))).toBeNull()
  expect(urlOf('r', page)).not.toContain('secret')
})

test.each(['https://weft.example/', 'https://weft.example/?room=', 'https://weft.example/?x=1'])(
  '%s names no room',
  (url) => {
    expect(roomOf(new URL(url))).toBeNull()
  },
)

test('invented names are made of words', () => {
  for (const random of [() => 0, () => 0.999_999, Math.random]) {
    expect(inventRoomName(random)).toMatch(/^[a-z]+-[a-z]+-[1-9]\d\d$/)
    expect(inventPersonName(random)).toMatch(/^[A-Z][a-z]+ [A-Z][a-z]+$/)
  }
})
