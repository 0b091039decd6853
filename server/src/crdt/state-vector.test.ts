import * as Y from 'yjs'
import { describe, expect, test } from 'vitest'
import {
  contentKey,
  Coverage,
  decodeStateVector,
  encodeStateVector,
  inspectUpdate,
  trimKnown,
  UpdateInvalidError,
} from './index.js'

describe('state vectors', () => {
  test('are written as Yjs writes them, and read back', () => {
    const doc = new Y.Doc()
    for (const client of [7, 4_000_000_000, 90]) {
      doc.clientID = client
      doc.getArray('array').push([client, client])
    }
    const bytes = Y.encodeStateVector(doc)
    expect(encodeStateVector(decodeStateVector(bytes))).toEqual(bytes)
    expect([...decodeStateVector(bytes)]).toEqual([...Y.decodeStateVector(bytes)])
  })

  test.each([[[]], [[1]], [[1, 7]], [[0, 0]], [[200, 200, 200, 200, 200, 200, 200, 200, 1]]])(
    'I7: %j is none',
    (bytes) => {
      expect(() => decodeStateVector(Uint8Array.from(bytes))).toThrow(UpdateInvalidError)
    },
  )
})

test('contentKey: equal for equal bytes in any kind of memory', () => {
  const shared = new Uint8Array(new SharedArrayBuffer(3))
  shared.set([1, 2, 3])
  expect(contentKey(shared)).toBe(contentKey(Uint8Array.from([1, 2, 3])))
  expect(contentKey(shared)).not.toBe(contentKey(Uint8Array.from([1, 2, 4])))
})

describe('trimKnown', () => {
  const doc = new Y.Doc()
  doc.clientID = 7
  doc.getText('text').insert(0, 'abcdef')
  const update = Y.encodeStateAsUpdate(doc)

  test('leaves an update with nothing known as it is', () => {
    expect(trimKnown(update, inspectUpdate(update), new Coverage())).toBe(update)
  })

  test('cuts what is known, and keeps deletes (I7: forged structs replace nothing)', () => {
    const coverage = Coverage.fromStateVector(new Map([[7, 4]]))
    expect(inspectUpdate(trimKnown(update, inspectUpdate(update), coverage))).toMatchObject({
      structs: [{ client: 7, clock: 4, len: 2 }],
    })
    const forged = Uint8Array.from([1, 1, 7, 0, 0, 4, 1, 7, 1, 0, 1])
    const trimmed = inspectUpdate(trimKnown(forged, inspectUpdate(forged), coverage))
    expect(trimmed).toMatchObject({ structs: [], deletes: [{ client: 7, clock: 0, len: 1 }] })
  })
})
