import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { BusPresence } from '../bus/index.js'
import { asRoomId } from '../ids.js'
import { RoomPresence } from './room-presence.js'
import { ScriptedBus } from './testing/scripted-bus.js'
import { ScriptedMember, ScriptedOutput, silentObserver } from './testing/scripted.js'

let bus: ScriptedBus
let output: ScriptedOutput
let presence: RoomPresence
const ada = new ScriptedMember()

const shown = (clientId: number, connection: string, clock = 1): BusPresence => ({
  connection,
  user: null,
  clientId,
  clock,
  state: '1',
})
const own = (clientId: number, clock = 1, state: string | null = '1'): BusPresence => ({
  connection: ada.connection,
  user: null,
  clientId,
  clock,
  state,
})
const wanted = { kind: 'presence_wanted' }

beforeEach(() => {
  vi.useFakeTimers()
  bus = new ScriptedBus()
  output = new ScriptedOutput()
  presence = new RoomPresence(asRoomId(1), bus, output, silentObserver, { entriesPerConnection: 4 })
})

afterEach(() => {
  presence.dispose()
  vi.restoreAllMocks()
  vi.useRealTimers()
})

describe('presence across nodes: a room', () => {
  test('changes of its own members go to the members and to the bus, one message a tick', () => {
    presence.apply(ada, [{ clientId: 1, clock: 1, state: '1' }], true)
    presence.apply(ada, [{ clientId: 1, clock: 2, state: '2' }], false)
    presence.apply(ada, [{ clientId: 1, clock: 3, state: '3' }], false)
    vi.advanceTimersByTime(100)
    expect(bus.takePublished()).toEqual([
      { kind: 'presence', whole: false, entries: [own(1)] },
      { kind: 'presence', whole: false, entries: [own(1, 3, '3')] },
    ])
    expect(output.order).toEqual(['presence', 'presence'])
    presence.drop(ada)
    vi.advanceTimersByTime(5)
    expect(bus.takePublished()).toEqual([{ kind: 'presence', whole: false, entries: [own(1, 4, null)] }])
  })

  test('changes of other nodes go to the members and not back to the bus', () => {
    presence.heard({ kind: 'presence', whole: false, entries: [shown(1, 'b-1')] }, 'b')
    vi.advanceTimersByTime(100)
    expect(output.order).toEqual(['presence'])
    expect(bus.published).toEqual([])
    expect(presence.size).toBe(1)
  })

  test('a room that closes tells of its last leaves', () => {
    presence.apply(ada, [{ clientId: 1, clock: 1, state: '1' }], true)
    presence.drop(ada)
    bus.takePublished()
    presence.dispose()
    expect(bus.takePublished()).toEqual([{ kind: 'presence', whole: false, entries: [own(1, 2, null)] }])
  })

  test('whoever is asked answers with all that its members show, also with nothing; many questions are answered once', () => {
    presence.answer()
    expect(bus.takePublished()).toEqual([{ kind: 'presence', whole: true, entries: [] }])
    presence.apply(ada, [{ clientId: 1, clock: 1, state: '1' }], true)
    presence.heard({ kind: 'presence', whole: false, entries: [shown(2, 'b-1')] }, 'b')
    vi.advanceTimersByTime(50)
    bus.takePublished()
    for (let i = 0; i < 10; i++) presence.answer()
    vi.advanceTimersByTime(200)
    expect(bus.takePublished()).toEqual([{ kind: 'presence', whole: true, entries: [own(1)] }])
  })

  test('who does not answer within 3 s shows nothing any more; who answers shows what it says', () => {
    for (const node of ['b', 'c'])
      presence.heard({ kind: 'presence', whole: false, entries: [shown(node === 'b' ? 1 : 2, node)] }, node)
    presence.ask()
    expect(bus.takePublished()).toEqual([wanted])
    presence.heard({ kind: 'presence', whole: true, entries: [shown(2, 'c')] }, 'c')
    vi.advanceTimersByTime(2_900)
    expect(presence.size).toBe(2)
    vi.advanceTimersByTime(200)
    expect(presence.size).toBe(1)
  })

  test('nobody is dropped for an answer that could not come: the bus is away, or this node was frozen', () => {
    presence.heard({ kind: 'presence', whole: false, entries: [shown(1, 'b')] }, 'b')
    presence.ask()
    bus.becomes(false)
    vi.advanceTimersByTime(10_000)
    expect(presence.size).toBe(1)
    bus.becomes(true)
    presence.healed()
    expect(bus.takePublished()).toEqual([wanted, { kind: 'presence', whole: true, entries: [] }, wanted])
    const now = performance.now.bind(performance)
    vi.spyOn(performance, 'now').mockImplementation(() => now() + 20_000)
    vi.advanceTimersByTime(3_000)
    expect([presence.size, bus.takePublished()]).toEqual([1, [wanted]])
    vi.advanceTimersByTime(3_000)
    expect(presence.size).toBe(0)
  })

  test('nobody is dropped while it is in doubt whether the bus delivers: it is asked again', () => {
    presence.heard({ kind: 'presence', whole: false, entries: [shown(1, 'b')] }, 'b')
    presence.ask()
    bus.isDoubtful = true
    vi.advanceTimersByTime(3_000)
    expect([presence.size, bus.takePublished()]).toEqual([1, [wanted, wanted]])
    bus.isDoubtful = false
    vi.advanceTimersByTime(3_000)
    expect(presence.size).toBe(0)
  })

  test('a node that speaks after the question, and does not answer it, is asked again: what it shows now is not dropped', () => {
    presence.heard({ kind: 'presence', whole: false, entries: [shown(1, 'b'), shown(2, 'b')] }, 'b')
    presence.heard({ kind: 'presence', whole: false, entries: [shown(4, 'c')] }, 'c')
    presence.ask()
    // It had closed the room, and somebody has opened it there again.
    presence.heard({ kind: 'presence', whole: false, entries: [shown(3, 'b')] }, 'b')
    vi.advanceTimersByTime(3_000)
    expect([presence.size, bus.takePublished()]).toEqual([3, [wanted, wanted]])
    presence.heard({ kind: 'presence', whole: true, entries: [shown(3, 'b')] }, 'b')
    vi.advanceTimersByTime(10_000)
    expect([presence.size, bus.takePublished()]).toEqual([1, []])
  })

  test('one that spoke after the question and never again is dropped after the next', () => {
    presence.heard({ kind: 'presence', whole: false, entries: [shown(1, 'b')] }, 'b')
    presence.ask()
    presence.heard({ kind: 'presence', whole: false, entries: [shown(2, 'b')] }, 'b')
    vi.advanceTimersByTime(6_000)
    expect(presence.size).toBe(0)
  })

  test('a node that is gone takes what it shows along', () => {
    presence.heard({ kind: 'presence', whole: false, entries: [shown(1, 'b'), shown(2, 'b')] }, 'b')
    presence.dropNode('c')
    expect(presence.size).toBe(2)
    presence.dropNode('b')
    expect(presence.size).toBe(0)
  })

  test('a node that is alone asks, answers and tells nothing', () => {
    bus.isAlone = true
    presence.ask()
    presence.answer()
    presence.apply(ada, [{ clientId: 1, clock: 1, state: '1' }], true)
    vi.advanceTimersByTime(200)
    expect(bus.published).toEqual([])
    expect(output.order).toEqual(['presence'])
  })
})
