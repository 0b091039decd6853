import { describe, expect, test } from 'vitest'
import { cleanName, hues, initials, personOf, presenceOf, settleHue } from './people.js'

describe('people', () => {
  test('are shown as they show themselves', () => {
    expect(personOf(7, presenceOf('Ada', 4))).toEqual({ clientId: 7, name: 'Ada', hue: 4 })
  })

  test.each([
    null,
    5,
    'x',
    {},
    { user: null },
    { user: 'Ada' },
    { user: { name: 5, color: {} } },
    { user: { name: '\n\u202E', color: 'red; background: url(//evil)' } },
  ])('whatever %j is, it is a person with a colour of the page', (presence) => {
    expect(personOf(13, presence)).toEqual({ clientId: 13, name: 'Somebody', hue: 3 })
  })

  test('have names of one line and of bearable length', () => {
    expect(cleanName('  Ada \n\t Lovelace ')).toBe('Ada Lovelace')
    expect(cleanName('\u202Eadverse')).toBe('adverse')
    expect(cleanName('   ')).toBeNull()
    expect(cleanName('x'.repeat(1_000_000))).toHaveLength(40)
    expect(cleanName('👩‍🚀'.repeat(50))).toBe('👩‍🚀'.repeat(40))
  })

  test.each([
    ['Ada', 'A'],
    ['ada lovelace', 'AL'],
    ['Ada King Lovelace', 'AL'],
    ['👩‍🚀 Zoë', '👩‍🚀Z'],
    ['日本', '日'],
    ['', ''],
  ])('%j has the initials %j', (name, expected) => {
    expect(initials(name)).toBe(expected)
  })

  test('end with different colours, while there are enough', () => {
    const person = (clientId: number, hue: number) => ({ clientId, name: '', hue })
    expect(settleHue(person(2, 4), [person(9, 4)])).toBe(4)
    expect(settleHue(person(9, 4), [person(2, 4)])).not.toBe(4)

    const others = hues.map((_, hue) => person(hue, hue))
    for (const free of hues.keys()) {
      const taken = others.map((other) =>
        other.hue === free ? person(other.clientId, (free + 1) % hues.length) : other,
      )
      expect(settleHue(person(50, (free + 1) % hues.length), taken)).toBe(free)
    }
    expect(settleHue(person(50, 4), others)).toBe(4)
  })
})
