import { expect, test } from 'vitest'
import type { BusMessage } from '../bus/index.js'
import { EarlyMessages, earlyLimits } from './early-messages.js'

const relay = (first: number, bytes: number): BusMessage => ({
  kind: 'relay',
  first,
  updates: [new Uint8Array(bytes)],
})

const replayed = (early: EarlyMessages): { messages: BusMessage[]; faults: unknown[] } => {
  const messages: BusMessage[] = []
  const faults: unknown[] = []
  early.replay((message) => messages.push(message), { fault: (_message, error) => faults.push(error) })
  return { messages, faults }
}

test('I6: beyond the limit of messages, or of bytes, all is forgotten: the log has it', () => {
  const [few, many, large] = [new EarlyMessages(), new EarlyMessages(), new EarlyMessages()]
  for (let i = 0; i < earlyLimits.messages; i++) few.add(relay(i, 1), 'b')
  for (let i = 0; i <= earlyLimits.messages; i++) many.add(relay(i, 1), 'b')
  for (let i = 0; i < 20; i++) large.add(relay(i, 64 * 1024), 'b')
  expect(replayed(few).messages).toHaveLength(earlyLimits.messages)
  expect(replayed(many).messages).toEqual([])
  expect(replayed(large).messages).toEqual([])
  // Nothing of the middle: what came after would follow on nothing.
  many.add(relay(1, 1), 'b')
  expect(replayed(many).messages).toEqual([])
})

test('I7: a message that makes the room throw is reported; the others are heard, in order', () => {
  const early = new EarlyMessages()
  for (const first of [1, 2, 3]) early.add(relay(first, 1), 'b')
  const heard: number[] = []
  const faults: unknown[] = []
  early.replay(
    (message) => {
      if (message.kind !== 'relay') return
      if (message.first === 2) throw new Error('malformed')
      heard.push(message.first)
    },
    { fault: (_message, error) => faults.push(error) },
  )
  expect([heard, faults]).toEqual([[1, 3], [new Error('malformed')]])
})
