/* What a closed tab has left, in a room that was deleted and made again; and what a visit has heard when it ends. */
import 'fake-indexeddb/auto'
import { decodeValue } from '@weft/protocol'
import { IDBFactory } from 'fake-indexeddb'
import { describe, expect, test } from 'vitest'
import { FakeLocks } from '../testing/fake-locks.js'
import { harness, settle, type Harness } from '../testing/harness.js'
import { MortalDatabase } from '../testing/mortal-database.js'
import type { Client, Room } from '../types.js'
import { indexedDB } from './index.js'

interface Events {
  said: string
}
interface Tab {
  readonly client: Client
  readonly room: Room<object, Events>
  /** The payloads of the events that it has heard. */
  readonly heard: string[]
  kill(): void
}

/** A browser with tabs in the room "a". */
const browser = (): Harness & { open(): Tab } => {
  const stage = harness()
  const factory = new IDBFactory()
  const locks = new FakeLocks()
  return {
    ...stage,
    open: () => {
      const database = new MortalDatabase(factory)
      const client = stage.client({
        persistence: indexedDB({ user: null, indexedDB: database.factory, locks: locks.of(database) }),
      })
      const room = client.room<object, Events>('a')
      const heard: string[] = []
      room.events.on('said', ({ payload }) => heard.push(payload))
      return {
        client,
        room,
        heard,
        kill: () => {
          database.kill()
          client.disconnect()
          locks.kill(database)
        },
      }
    },
  }
}

const typeIn = ({ room }: Tab, text: string): void => room.doc.getText('t').insert(0, text)

describe('a room that was deleted and made again (P20)', () => {
  test('keeps what a closed tab has left of its new life, when a tab comes that has not seen it yet', async () => {
    const { server, pass, open } = browser()
    const late = open()
    await pass(1_000)
    typeIn(late, 'old')
    await late.room.saved()
    late.client.disconnect()
    server.recreate('a')

    server.autoCommit = false
    const closed = open()
    await pass(2_000)
    expect(closed.room.status).toBe('live')
    typeIn(closed, 'new')
    void closed.room.events.append('said', 'new').catch(() => undefined)
    const stored = closed.room.stored()
    await pass(1_000)
    expect(await stored).toBe(true)
    closed.kill()
    server.crash()
    await pass(1_000)
    expect(late.room.unsaved).toBe(2)

    const lost: unknown[] = []
    late.room.on('rejected', (rejection) => lost.push(rejection))
    late.room.on('reset', ({ unsaved }) => lost.push(...unsaved))
    const saved = late.room.saved()
    server.autoCommit = true
    late.client.connect()
    await pass(5_000)
    await saved
    expect(lost).toEqual([])
    expect(server.committed('a').getText('t').toJSON()).toBe('new')
    expect(late.room.doc.getText('t').toJSON()).toBe('new')
    const said = server.room('a').log.flatMap((entry) => ('message' in entry ? [entry.message] : []))
    expect(said.map(({ payload }) => decodeValue(payload))).toEqual(['new'])
  })

  test('refuses what a closed tab has left of its old life, also to a tab that is in the new one', async () => {
    const { server, pass, open } = browser()
    const [live, closed] = [open(), open()]
    await pass(1_000)
    closed.client.disconnect()
    typeIn(closed, 'old')
    const stored = closed.room.stored()
    await pass(1_000)
    expect(await stored).toBe(true)
    server.recreate('a')
    await pass(2_000)
    expect(live.room.status).toBe('live')

    const codes: string[] = []
    live.room.on('rejected', ({ code }) => codes.push(code))
    closed.kill()
    await pass(5_000)
    expect(codes).toEqual(['room_reset'])
    expect(live.room.unsaved).toBe(0)
    typeIn(live, 'new')
    await pass(1_000)
    await live.room.saved()
    expect(server.committed('a').getText('t').toJSON()).toBe('new')
  })
})

describe('events that were missed, and are being read from the log when the tab dies (P28)', () => {
  const missing = async (): Promise<{ stage: ReturnType<typeof browser>; tab: Tab; release: () => void }> => {
    const stage = browser()
    const { server, client, pass, open } = stage
    const author = client().room<object, Events>('a')
    const tab = open()
    await pass(1_000)
    await author.events.append('said', 'one')
    await pass(1_000)
    expect(tab.heard).toEqual(['one'])
    // The server cannot resume, and is slow to answer what is asked instead.
    const held: (() => void)[] = []
    const original = server.take.bind(server)
    server.take = (socket, frame) => {
      if (frame.type === 'history') held.push(() => original(socket, frame))
      else original(socket, frame)
    }
    server.resumes = false
    server.sockets.find((socket) => socket !== server.sockets[0])?.drop()
    await author.events.append('said', 'two')
    await author.events.append('said', 'three')
    await pass(3_000)
    expect(held).toHaveLength(1)
    await author.events.append('said', 'four')
    await pass(1_000)
    expect([tab.room.status, tab.heard]).toEqual(['live', ['one']])
    server.resumes = true
    return { stage, tab, release: () => held.splice(0).forEach((answer) => answer()) }
  }
  const storedBy = async ({ room }: Tab, { pass }: Harness): Promise<void> => {
    const stored = room.stored()
    await pass(1_000)
    expect(await stored).toBe(true)
  }

  test('are heard by the next visit', async () => {
    const { stage, tab } = await missing()
    await storedBy(tab, stage)
    tab.kill()
    const next = stage.open()
    await stage.pass(5_000)
    expect(next.heard).toEqual(['two', 'three', 'four'])
  })

  test('and are not heard again by it, once they were', async () => {
    const { stage, tab, release } = await missing()
    release()
    await settle()
    expect(tab.heard).toEqual(['one', 'two', 'three', 'four'])
    await storedBy(tab, stage)
    tab.kill()
    const next = stage.open()
    await stage.pass(5_000)
    expect([next.room.status, next.heard]).toEqual(['live', []])
  })
})
