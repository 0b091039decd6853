import { expect, it } from 'vitest'
import { asRoomId } from '../ids.js'
import type { Bus, BusMessage } from './types.js'

/** Ends of one bus, and a way to know that everything published so far has been delivered. */
export interface BusUnderTest {
  connect(): Promise<Bus>
  settled(): Promise<void>
}

/** What every implementation of the bus does when nothing fails. */
export const busContract = (start: () => Promise<BusUnderTest>): void => {
  const room = asRoomId(7)
  const committed = (head: number): BusMessage => ({ kind: 'committed', head })

  it('I4: messages of a room reach the other nodes that have it open, in order, and never the sender', async () => {
    const bus = await start()
    const [a, b, c] = [await bus.connect(), await bus.connect(), await bus.connect()]
    const heard = { a: [] as BusMessage[], b: [] as BusMessage[], c: [] as BusMessage[] }
    a.subscribe(room, (message) => heard.a.push(message))
    b.subscribe(room, (message) => heard.b.push(message))
    c.subscribe(asRoomId(8), (message) => heard.c.push(message))
    await bus.settled()
    const relay: BusMessage = { kind: 'relay', updates: [new Uint8Array([0, 0]), new Uint8Array(0)] }
    const broadcast: BusMessage = {
      kind: 'broadcast',
      author: 'ada',
      name: 'ping',
      payload: new Uint8Array([1]),
    }
    for (const message of [relay, committed(1), broadcast, committed(2)]) a.publish(room, message)
    await bus.settled()
    expect(heard).toEqual({ a: [], b: [relay, committed(1), broadcast, committed(2)], c: [] })
  })

  it('who has stopped hears nothing more, and may subscribe again', async () => {
    const bus = await start()
    const [a, b] = [await bus.connect(), await bus.connect()]
    const heard: BusMessage[] = []
    const stop = b.subscribe(room, (message) => heard.push(message))
    stop()
    await bus.settled()
    a.publish(room, committed(1))
    await bus.settled()
    b.subscribe(room, (message) => heard.push(message))
    await bus.settled()
    a.publish(room, committed(2))
    await bus.settled()
    expect(heard).toEqual([committed(2)])
  })
}
