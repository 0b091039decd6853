import { expect, it } from 'vitest'
import { readPermissions } from '../auth/index.js'
import { asRoomId } from '../ids.js'
import type { Bus, BusMessage, ControlCommand, NodeId, NodeMessage } from './types.js'

/** Ends of one bus, and a way to know that everything published so far has been delivered. */
export interface BusUnderTest {
  connect(node: NodeId): Promise<Bus>
  settled(): Promise<void>
}

/** What every implementation of the bus does when nothing fails. */
export const busContract = (start: () => Promise<BusUnderTest>): void => {
  const room = asRoomId(7)
  const committed = (head: number): BusMessage => ({ kind: 'committed', head, updates: [], messages: [] })
  type Heard = [BusMessage | NodeMessage, NodeId]

  it('I4: messages of a room reach the other nodes that have it open, in order, and never the sender', async () => {
    const bus = await start()
    const [a, b, c] = [await bus.connect('a'), await bus.connect('b'), await bus.connect('c')]
    const heard = { a: [] as Heard[], b: [] as Heard[], c: [] as Heard[] }
    a.subscribe(room, (message, from) => heard.a.push([message, from]))
    b.subscribe(room, (message, from) => heard.b.push([message, from]))
    c.subscribe(asRoomId(8), (message, from) => heard.c.push([message, from]))
    await bus.settled()
    const messages: BusMessage[] = [
      { kind: 'relay', first: 3, updates: [new Uint8Array([0, 0]), new Uint8Array(0)] },
      committed(1),
      { kind: 'broadcast', author: 'ada', name: 'ping', payload: new Uint8Array([1]) },
      { kind: 'broadcast', author: null, name: 'é\u{1f600}', payload: new Uint8Array(0) },
      {
        kind: 'committed',
        head: 2 ** 52,
        updates: [
          { seq: 2 ** 52, number: 4 },
          { seq: 2, number: 0 },
        ],
        messages: [
          {
            seq: 3,
            kind: 'message',
            author: null,
            clientId: '00112233445566778899aabbccddeeff',
            clientSeq: 9,
            name: 'note',
            payload: new Uint8Array([0xc0]),
            createdAt: 1_790_000_000_000,
          },
        ],
      },
      {
        kind: 'presence',
        whole: true,
        entries: [
          { connection: 'a-1', user: 'ada', clientId: 2 ** 32 - 1, clock: 2 ** 40, state: '{"x":1}' },
          { connection: 'a-2', user: null, clientId: 0, clock: 0, state: null },
        ],
      },
      { kind: 'presence_wanted' },
      committed(2),
    ]
    for (const message of messages) a.publish(room, message)
    await bus.settled()
    expect([heard.a, heard.c]).toEqual([[], []])
    expect(heard.b.map(([, from]) => from)).toEqual(messages.map(() => 'a'))
    // Notices without events may travel apart from the rest.
    const isNotice = (message: BusMessage | NodeMessage): boolean =>
      message.kind === 'committed' && message.messages.length === 0
    const heardOfA = heard.b.map(([message]) => message)
    expect(heardOfA.filter(isNotice)).toEqual(messages.filter(isNotice))
    expect(heardOfA.filter((message) => !isNotice(message))).toEqual(
      messages.filter((message) => !isNotice(message)),
    )
    expect([a.isAlone, a.isHealthy]).toEqual([false, true])
  })

  it('who has stopped hears nothing more, and may subscribe again', async () => {
    const bus = await start()
    const [a, b] = [await bus.connect('a'), await bus.connect('b')]
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

  it('announcements reach every other node, whatever rooms it has open', async () => {
    const bus = await start()
    const [a, b, c] = [await bus.connect('a'), await bus.connect('b'), await bus.connect('c')]
    const heard = { a: [] as Heard[], b: [] as Heard[], c: [] as Heard[] }
    a.onAnnouncement((message, from) => heard.a.push([message, from]))
    b.onAnnouncement((message, from) => heard.b.push([message, from]))
    const stop = c.onAnnouncement((message, from) => heard.c.push([message, from]))
    const commands: ControlCommand[] = [
      { do: 'close_room', tenant: '', room: 'r' },
      { do: 'room_deleted', tenant: 't', room: 'naïve ☃', id: room },
      { do: 'disconnect', tenant: '', user: 'ada', final: true, at: 1_700_000_000_123 },
      { do: 'disconnect', tenant: '', user: 'ada', final: false, at: 0 },
      {
        do: 'grant',
        tenant: '',
        user: 'ada',
        room: 'r',
        permissions: readPermissions('read') ?? null,
        at: 5,
      },
      {
        do: 'grant',
        tenant: '',
        user: 'ada',
        room: 'r',
        permissions: readPermissions(['events']) ?? null,
        at: 6,
      },
      { do: 'grant', tenant: '', user: 'ada', room: 'r', permissions: null, at: 7 },
      { do: 'reauthorize', tenant: 't', user: 'ada', room: null },
      { do: 'reauthorize', tenant: 't', user: 'ada', room: 'r' },
    ]
    const messages: NodeMessage[] = [
      { kind: 'alive' },
      ...commands.map((command): NodeMessage => ({ kind: 'control', command })),
    ]
    for (const message of messages) a.announce(message)
    await bus.settled()
    stop()
    b.announce({ kind: 'bye' })
    await bus.settled()
    const fromA = messages.map((message): Heard => [message, 'a'])
    expect(heard).toEqual({ a: [[{ kind: 'bye' }, 'b']], b: fromA, c: fromA })
  })

  it('a closed end says and hears nothing; closing twice does nothing', async () => {
    const bus = await start()
    const [a, b] = [await bus.connect('a'), await bus.connect('b')]
    const heard: unknown[] = []
    a.subscribe(room, (message) => heard.push(message))
    a.onAnnouncement((message) => heard.push(message))
    b.subscribe(room, (message) => heard.push(message))
    await bus.settled()
    await a.close()
    await a.close()
    a.publish(room, committed(1))
    a.announce({ kind: 'alive' })
    b.publish(room, committed(2))
    b.announce({ kind: 'alive' })
    await bus.settled()
    expect(heard).toEqual([])
  })
}
