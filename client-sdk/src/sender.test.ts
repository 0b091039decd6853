import { defaultSessionLimits, updateFrame, type ClientWire } from '@weft/protocol'
import { describe, expect, test } from 'vitest'
import * as Y from 'yjs'
import { createSender, type Sender } from './sender.js'
import { FakeClock } from './testing/fake-clock.js'

const nothing = (): void => undefined

/** A sender whose connection is the test. */
const make = (): { sender: Sender; clock: FakeClock; sent: number[]; rejected: string[] } => {
  const clock = new FakeClock()
  const sent: number[] = []
  const rejected: string[] = []
  const sender = createSender(
    1,
    {
      client: {
        clock,
        random: () => 0.5,
        limits: defaultSessionLimits,
        link: {
          congested: false,
          send: (frame: ClientWire) => {
            if (frame[0] === updateFrame) sent.push(frame[2])
          },
        },
      },
      number: 7,
      held: false,
      store: undefined,
      settled: nothing,
      counted: nothing,
    },
    {
      committed: nothing,
      refused: (_, { code }) => rejected.push(code),
    },
  )
  return { sender, clock, sent, rejected }
}

const change = (sender: Sender): void => {
  const doc = new Y.Doc()
  doc.getText('t').insert(0, 'x')
  sender.add(Y.encodeStateAsUpdate(doc), true)
}

const nack = (sender: Sender, n: number, code: string): void => sender.refused(n, code, code)

describe('refusals that cross the changes that are sent again', () => {
  test('P23: a retryable refusal holds the change and all after it, and they go again, once', () => {
    const { sender, clock, sent } = make()
    for (let i = 0; i < 3; i++) change(sender)
    sender.flush()
    nack(sender, 2, 'overloaded')
    nack(sender, 3, 'out_of_order')
    clock.advance(20_000)
    expect(sent).toEqual([1, 2, 3, 2, 3])
  })

  test('P23: an out_of_order that comes after the resend is an old one: nothing is held or sent a third time', () => {
    const { sender, clock, sent, rejected } = make()
    for (let i = 0; i < 3; i++) change(sender)
    sender.flush()
    nack(sender, 2, 'overloaded')
    clock.advance(20_000)
    nack(sender, 3, 'out_of_order')
    sender.acknowledge(3, 3)
    clock.advance(20_000)
    expect(sent).toEqual([1, 2, 3, 2, 3])
    expect([sender.outbox.unsaved, rejected]).toEqual([0, []])
  })

  test('P22: an ack that comes while changes are held back settles them', async () => {
    const { sender, clock, sent } = make()
    for (let i = 0; i < 3; i++) change(sender)
    sender.flush()
    const saved = sender.saved()
    nack(sender, 2, 'overloaded')
    sender.acknowledge(2, 2)
    expect(sender.outbox.unsaved).toBe(1)
    clock.advance(20_000)
    expect(sent).toEqual([1, 2, 3, 3])
    sender.acknowledge(3, 3)
    await saved
  })
})
