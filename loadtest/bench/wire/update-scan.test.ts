import { describe, expect, test } from 'vitest'
import * as Y from 'yjs'
import { ByteWriter } from './bytes.js'
import { keystrokeLength, textName, writeKeystroke } from './keystrokes.js'
import { visitDecoded } from './update-decode.js'
import { UpdateScanner } from './update-scan.js'

const scanner = new UpdateScanner(visitDecoded)

/** The clocks of an update, as `client:clock`. */
const clocksOf = (update: Uint8Array): string[] => {
  const padded = Buffer.concat([Buffer.from([9, 9, 9]), update, Buffer.from([9])])
  const clocks: string[] = []
  scanner.scan(padded, 3, 3 + update.length, {
    range: (client, clock, length) => {
      for (let i = 0; i < length; i++) clocks.push(`${client}:${clock + i}`)
    },
  })
  return clocks
}

/** The same by Yjs itself. */
const clocksByYjs = (update: Uint8Array): string[] =>
  Y.decodeUpdate(update)
    .structs.filter((struct) => !(struct instanceof Y.Skip))
    .flatMap((struct) =>
      Array.from({ length: struct.length }, (_, i) => `${struct.id.client}:${struct.id.clock + i}`),
    )

const keystroke = (client: number, clock: number): Uint8Array =>
  writeKeystroke(new ByteWriter(Buffer.alloc(64)), client, clock).finish()

describe('keystrokes', () => {
  test.each([1, 300, 0x8000_0001, 0xffff_ffff])('are what Yjs makes when client %i types', (client) => {
    const doc = new Y.Doc()
    doc.clientID = client
    const made: Uint8Array[] = []
    doc.on('update', (update: Uint8Array) => made.push(update))
    for (let clock = 0; clock < 300; clock++) {
      doc.getText(textName).insert(clock, String.fromCharCode(0x61 + (clock % 26)))
    }
    for (const [clock, update] of made.entries()) {
      const written = keystroke(client, clock)
      expect(Buffer.from(written).equals(update)).toBe(true)
      expect(keystrokeLength(client, clock)).toBe(update.length)
    }
  })
})

describe('UpdateScanner', () => {
  const updates = Array.from({ length: 40 }, (_, clock) =>
    keystroke(clock % 2 ? 77 : 4_000_000_000, clock >> 1),
  )

  test('reads a keystroke', () => {
    expect(clocksOf(keystroke(5, 12))).toEqual(['5:12'])
  })

  test('reads merged keystrokes, and those with a gap', () => {
    for (const some of [updates, updates.slice(7, 30), updates.filter((_, i) => i % 5 !== 2)]) {
      const merged = Y.mergeUpdates(some)
      expect(clocksOf(merged).sort()).toEqual(some.flatMap(clocksOf).sort())
    }
  })

  test('reads what other edits make as Yjs does', () => {
    const doc = new Y.Doc()
    const text = doc.getText(textName)
    text.insert(0, 'grüße, 日本, 👩‍👩‍👧 end')
    text.delete(2, 5)
    text.insert(1, 'x')
    doc.getMap('map').set('key', 'value')
    expect(clocksOf(Y.encodeStateAsUpdate(doc))).toEqual(clocksByYjs(Y.encodeStateAsUpdate(doc)))
    doc.getArray('list').push([1, { two: [3] }, new Y.Map()])
    text.format(0, 3, { bold: true })
    const update = Y.encodeStateAsUpdate(doc)
    expect(new Set(clocksOf(update))).toEqual(new Set(clocksByYjs(update)))
  })

  test('an update without structs brings nothing', () => {
    expect(clocksOf(Uint8Array.of(0, 0))).toEqual([])
  })

  test('an update that is cut off is an error', () => {
    const update = keystroke(5, 12)
    expect(() => scanner.scan(update.subarray(0, 6), 0, 4, { range: () => undefined })).toThrow()
  })
})
