import { CloseCode } from '@weft/protocol'
import { afterEach, describe, expect, test, vi } from 'vitest'
import type * as Y from 'yjs'
import { onDemand } from './on-demand.js'
import { harness, settle, type Harness } from './testing/harness.js'
import type { Room } from './types.js'

const textOf = (doc: Y.Doc): string => doc.getText('t').toJSON()

/** Types letters at the end, each a change of its own. */
const type = async (room: Room, letters: string): Promise<void> => {
  for (const letter of letters) {
    room.doc.getText('t').insert(room.doc.getText('t').length, letter)
    await settle()
  }
}

/** Holds some code back. Returns what lets it come. */
const hold = (name: keyof typeof onDemand): (() => void) => {
  let open = (): void => undefined
  const gate = new Promise<void>((resolve) => (open = resolve))
  const load: () => Promise<unknown> = onDemand[name]
  vi.spyOn(onDemand, name).mockImplementation(async () => {
    await gate
    return (await load()) as never
  })
  return open
}

/** The code does not come so many times. */
const lose = (name: keyof typeof onDemand, times: number): void => {
  const spy = vi.spyOn(onDemand, name)
  for (let i = 0; i < times; i++) spy.mockRejectedValueOnce(new Error('Failed to fetch'))
}

afterEach(() => {
  vi.restoreAllMocks()
})

describe('a refusal in the middle of a stream, before the code for it is here', () => {
  const open = async (): Promise<Harness & { room: Room; told: string[] }> => {
    const made = harness()
    const room = made.client().room('a')
    await room.synced()
    const told: string[] = []
    room.on('rejected', ({ n, outcome }) => told.push(`${n} ${outcome}`))
    room.on('error', ({ code }) => told.push(code))
    made.server.refuse = (n) => (n === 2 ? 'too_large' : null)
    return { ...made, room, told }
  }
  const sent = ({ server }: Harness): number[] => server.socket.sent('update').map(({ n }) => n)

  test('nothing after it is sent or taken; then it is as if the NACK had just come', async () => {
    const arrive = hold('refusal')
    const made = await open()
    const { room, server, told } = made
    await type(room, 'ab')
    const saving = room.saved()
    await type(room, 'cd')
    server.write('a', (doc) => doc.getText('t').insert(0, 'X'))
    await settle()
    expect(sent(made)).toEqual([1, 2])
    expect([textOf(room.doc), room.unsaved, room.status, told]).toEqual(['abcd', 3, 'live', []])
    arrive()
    await expect(saving).rejects.toMatchObject({ code: 'too_large' })
    await room.saved()
    expect(told).toEqual(['2 discarded'])
    expect(sent(made)).toEqual([1, 2, 3, 4])
    expect([textOf(room.doc), textOf(server.committed('a')), room.unsaved]).toEqual(['Xacd', 'Xacd', 0])
  })

  test('a connection that is lost meanwhile: it is refused again, and told once', async () => {
    const arrive = hold('refusal')
    const { room, server, told, pass } = await open()
    await type(room, 'abc')
    server.crash()
    await pass(2_000)
    expect([room.unsaved, told]).toEqual([2, []])
    arrive()
    await settle()
    await room.saved()
    expect(told).toEqual(['2 discarded'])
    expect([textOf(room.doc), textOf(server.committed('a'))]).toEqual(['ac', 'ac'])
  })

  test('code that does not come is told, and asked for again when the room was joined again: no change is lost', async () => {
    lose('refusal', 2)
    const { room, server, told, pass } = await open()
    await type(room, 'abc')
    await pass(5_000)
    await room.saved()
    expect(told).toEqual(['not_loaded', 'not_loaded', '2 discarded'])
    expect([textOf(room.doc), textOf(server.committed('a'))]).toEqual(['ac', 'ac'])
    expect(server.sockets).toHaveLength(1)
  })

  test('so much comes meanwhile that it is not kept: the room is joined again, and has all of it', async () => {
    const arrive = hold('refusal')
    const { room, server, told, pass } = await open()
    await type(room, 'ab')
    server.write('a', (doc) => doc.getText('t').insert(0, 'X'))
    for (let i = 0; i < 1_000; i++) server.socket.deliver({ type: 'watermark', room: 1, seq: 2 })
    await settle()
    expect([room.status, told]).toEqual(['joining', ['not_loaded']])
    await pass(2_000)
    expect([room.status, textOf(room.doc), room.unsaved]).toEqual(['live', 'Xab', 1])
    arrive()
    await pass(100)
    await room.saved()
    expect(told).toEqual(['not_loaded', '2 discarded'])
    expect([textOf(room.doc), textOf(server.committed('a'))]).toEqual(['Xa', 'Xa'])
  })

  test('a room that is left meanwhile ends when the refusal was seen to', async () => {
    const arrive = hold('refusal')
    const { room, told } = await open()
    await type(room, 'ab')
    room.leave()
    expect(room.status).toBe('live')
    arrive()
    await settle()
    expect([room.status, told]).toEqual(['left', ['2 discarded']])
  })

  test('a room that was deleted and made again: what comes after JOINED waits for the reset', async () => {
    const arrive = hold('refusal')
    const { room, server, pass } = await open()
    await type(room, 'a')
    const resets: string[] = []
    room.on('reset', ({ reason }) => resets.push(reason))
    server.recreate('a')
    server.write('a', (doc) => doc.getText('t').insert(0, 'new'))
    await pass(2_000)
    expect([textOf(room.doc), resets]).toEqual(['a', []])
    arrive()
    await settle()
    expect([textOf(room.doc), resets]).toEqual(['new', ['recreated']])
  })
})

describe('events, before what hands them on is here', () => {
  test.each([
    ['late', () => hold('events')],
    ['at the third time', () => (lose('events', 2), () => undefined)],
  ])('it comes %s: they are heard once, in order', async (_, prepare) => {
    const arrive = prepare()
    const { client, pass } = harness()
    const [a, b] = [client(), client()].map((one) => one.room('a'))
    await Promise.all([a!.synced(), b!.synced()])
    await a!.events.append('tick', 0)
    const heard: unknown[] = []
    b!.events.on('tick', ({ payload }) => heard.push(payload))
    for (let i = 1; i < 4; i++) await a!.events.append('tick', i)
    expect(heard).toEqual([])
    arrive()
    await pass(3_000)
    await a!.events.append('tick', 4)
    await settle()
    expect(heard).toEqual([1, 2, 3, 4])
  })

  test.each([true, false])(
    'who listens before the first join hears nothing of what was before it (late: %s)',
    async (late) => {
      const arrive = late ? hold('events') : () => undefined
      const { server, client } = harness()
      const author = client().room('a')
      await author.synced()
      for (let i = 0; i < 3; i++) await author.events.append('tick', i)
      server.autoAccept = false
      const room = client().room('a')
      const heard: unknown[] = []
      room.events.onAny(({ payload }) => heard.push(payload))
      await settle()
      server.socket.accept()
      await room.synced()
      arrive()
      await settle()
      await author.events.append('tick', 3)
      await settle()
      expect(heard).toEqual([3])
    },
  )

  test('more than is kept is read from the log', async () => {
    const arrive = hold('events')
    const { client, pass } = harness()
    const [a, b] = [client(), client()].map((one) => one.room('a'))
    await Promise.all([a!.synced(), b!.synced()])
    const heard: unknown[] = []
    b!.events.onAny(({ payload }) => heard.push(payload))
    for (let i = 0; i < 1_500; i++) void a!.events.append('tick', i)
    await a!.saved()
    await pass(100)
    arrive()
    await pass(100)
    expect(heard).toEqual(Array.from({ length: 1_500 }, (_, i) => i))
  })

  test('history() tells that it does not come', async () => {
    lose('events', 1)
    const { client } = harness()
    const room = client().room('a')
    await room.synced()
    await expect(room.events.history()).rejects.toThrow('Failed to fetch')
    expect(await room.events.history()).toEqual({ events: [], more: false })
  })
})

describe('what only makes things better', () => {
  test('the renewal of tokens does not come: 4407 leads to a new token, and the next connection asks for it again', async () => {
    lose('token', 1)
    const { server, client, clock, pass } = harness()
    const token = (): string => `x.${btoa(JSON.stringify({ exp: (clock.date() + 60_000) / 1_000 }))}.y`
    const weft = client({ auth: token })
    await settle()
    await pass(70_000)
    expect([server.socket.sent('auth').length, weft.status]).toEqual([0, 'connected'])
    server.socket.drop(CloseCode.tokenExpired)
    await pass(2_000)
    expect([server.sockets.length, weft.status]).toEqual([2, 'connected'])
    await pass(50_000)
    expect(server.socket.sent('auth')).toHaveLength(1)
  })

  test('what watches the user does not come: nobody is idle until the next connection brings it', async () => {
    lose('idle', 2)
    const { server, client, pass } = harness()
    const weft = client({ idleAfter: 1_000 })
    const told: string[] = []
    weft.on('error', ({ message }) => told.push(message))
    const room = weft.room('a')
    await pass(5_000)
    expect([room.presence.idle, told]).toEqual([false, ['Failed to fetch', 'Failed to fetch']])
    server.crash()
    await pass(5_000)
    expect(room.presence.idle).toBe(true)
  })
})
