import * as Y from 'yjs'
import { describe, expect, test } from 'vitest'
import { inspectUpdate, type Inspection } from '../crdt/index.js'
import { SyncStatuses } from './sync-statuses.js'

/** A document that types, and what it sends. */
class Typist {
  readonly doc = new Y.Doc()

  type(): Inspection {
    return this.edit((text) => text.insert(text.length, 'x'))
  }

  delete(): Inspection {
    return this.edit((text) => text.delete(0, 1))
  }

  get vector(): Uint8Array {
    return Y.encodeStateVector(this.doc)
  }

  private edit(change: (text: Y.Text) => void): Inspection {
    let made: Uint8Array = new Uint8Array([0, 0])
    this.doc.once('update', (update: Uint8Array) => void (made = update))
    change(this.doc.getText('text'))
    return inspectUpdate(made)
  }
}

const noVector = new Uint8Array([0])

describe('P65, P66: SyncStatuses', () => {
  test('one for each update, once all before it are committed', () => {
    const statuses = new SyncStatuses()
    const typist = new Typist()
    const numbers = [typist.type(), typist.type(), typist.delete(), null].map((made) =>
      statuses.add('update', made),
    )
    expect(numbers).toEqual([1, 2, 3, 4])
    expect(statuses.isSettled).toBe(false)
    expect(statuses.acked(1)).toBe(1)
    expect(statuses.acked(1)).toBe(0)
    expect(statuses.acked(4)).toBe(3)
    expect(statuses.isSettled).toBe(true)
  })

  test('none before the state that a step 1 asked for is sent', () => {
    const statuses = new SyncStatuses()
    statuses.stepOne(noVector, true)
    expect(statuses.acked(statuses.add('step2', null))).toBe(0)
    expect(statuses.stateSent()).toBe(1)
    expect(statuses.stateSent()).toBe(0)
  })

  test('none for what was made before the step 1, whenever it comes', () => {
    const statuses = new SyncStatuses()
    const typist = new Typist()
    const earlier = typist.type()
    const late = typist.type()
    statuses.add('update', earlier)
    statuses.stepOne(typist.vector, true)
    statuses.stateSent()
    const after = typist.type()
    statuses.add('update', late)
    statuses.add('update', after)
    const n = statuses.add('step2', null)
    expect(statuses.acked(2)).toBe(0)
    expect(statuses.acked(3)).toBe(1)
    expect(statuses.acked(n)).toBe(1)
    // From here on everything counts, known or not.
    expect(statuses.acked(statuses.add('update', late))).toBe(1)
  })

  test('what may have been made before the step 1 is spare, until nothing else is owed', () => {
    const statuses = new SyncStatuses()
    const typist = new Typist()
    typist.type()
    const ambiguous = typist.delete()
    statuses.stepOne(typist.vector, true)
    statuses.add('update', ambiguous)
    expect(statuses.isSpareDue).toBe(false)
    statuses.stateSent()
    const two = statuses.add('step2', null)
    const last = statuses.add('update', typist.type())
    expect(statuses.acked(two)).toBe(1)
    expect(statuses.isSpareDue).toBe(false)
    expect(statuses.acked(last)).toBe(1)
    expect([statuses.isSpareDue, statuses.takeSpare(), statuses.isSpareDue]).toEqual([true, 1, false])
  })

  test('once the provider has sent what it had kept, everything counts, deletes too', () => {
    const statuses = new SyncStatuses()
    const typist = new Typist()
    const earlier = typist.type()
    typist.type()
    statuses.stepOne(typist.vector, true)
    statuses.stateSent()
    statuses.add('update', earlier)
    statuses.flushed()
    statuses.add('update', typist.delete())
    const two = statuses.add('step2', null)
    expect(statuses.acked(two)).toBe(2)
    expect(statuses.isSpareDue).toBe(false)
    // A later step 1 on the same connection: nothing waited for it.
    statuses.stepOne(typist.vector, false)
    statuses.stateSent()
    expect(statuses.acked(statuses.add('update', typist.delete()))).toBe(1)
  })

  test('a step 2 stands for what was missed, and for what was owed when the document ended', () => {
    const statuses = new SyncStatuses()
    const typist = new Typist()
    statuses.add('update', typist.type())
    statuses.ended()
    statuses.missed()
    statuses.missed()
    expect(statuses.isSettled).toBe(true)
    expect(statuses.acked(statuses.add('step2', null))).toBe(3)
    // The provider counts anew.
    statuses.missed()
    statuses.stepOne(typist.vector, true)
    statuses.stateSent()
    expect(statuses.acked(statuses.add('step2', null))).toBe(1)
  })
})
