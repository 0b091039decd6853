import { describe, expect, test } from 'vitest'
import { cleanName, freeHue, hues, initials, personOf, presenceOf } from './people.js'

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

  test('take a colour that nobody has, while there is one', () => {
    const taken = hues.map((_, hue) => ({ clientId: hue, name: '', hue }))
    expect(freeHue(4, [])).toBe(4)
    expect(freeHue(4, taken.slice(4, 5))).not.toBe(4)
    for (const free of hues.keys()) {
      expect(
        freeHue(
          2,
          taken.filter(({ hue }) => hue !== free),
        ),
      ).toBe(free)
    }
    expect(freeHue(4, taken)).toBe(4)
  })
})
