import * as Y from 'yjs'
import { expect, test } from 'vitest'
import { inspectUpdate } from '../crdt/index.js'
import { encodeAddress } from './hocuspocus-wire.js'
import { StatusSender } from './status-sender.js'

/** A provider at the end of a slow line: it hears nothing and says nothing unless told to. */
const line = (): { sender: StatusSender; sent: number[]; asked: (() => void)[] } => {
  const sent: number[] = []
  const asked: (() => void)[] = []
  const sender = new StatusSender(
    {
      socket: { send: (bytes) => void sent.push(bytes.at(-1) ?? -1) },
      hasFlushed: false,
      roundTrip: (done) => void asked.push(done),
    },
    encodeAddress('a'),
  )
  return { sender, sent, asked }
}

const doc = new Y.Doc()
doc.getText('t').insert(0, 'abc')
const vector = Y.encodeStateVector(doc)
const undo = (): ReturnType<typeof inspectUpdate> => {
  let made: Uint8Array = new Uint8Array()
  doc.once('update', (update: Uint8Array) => (made = update))
  doc.getText('t').delete(0, 1)
  return inspectUpdate(made)
}

test('P66: what may count is told when the provider has nothing on its way, and not before', () => {
  const { sender, sent, asked } = line()
  sender.stepOne(vector)
  sender.stateSent()
  sender.add('update', undo())
  const stepTwo = sender.add('step2', null)
  sender.acked(stepTwo)
  expect(sent).toEqual([1])
  expect(asked).toHaveLength(1)
  // An edit was on its way when it was asked: a SyncStatus too many would be taken for it.
  const edit = sender.add('update', null)
  asked.shift()?.()
  expect(sent).toEqual([1])
  sender.acked(edit)
  expect(sent).toEqual([1, 1])
  // And one that came and was committed before the answer says that there may be more.
  sender.acked(sender.add('update', null))
  expect(sent).toEqual([1, 1, 1])
  asked.shift()?.()
  expect(sent).toEqual([1, 1, 1])
  asked.shift()?.()
  expect(sent).toEqual([1, 1, 1, 1])
  expect(asked).toEqual([])
  expect(sender.isSettled).toBe(true)
})

test('a provider that has closed the document meanwhile is told nothing', () => {
  const { sender, sent, asked } = line()
  sender.stepOne(vector)
  sender.stateSent()
  sender.add('update', undo())
  sender.acked(sender.add('step2', null))
  sender.reset()
  asked.shift()?.()
  expect(sent).toEqual([1])
})
