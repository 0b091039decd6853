/* The changes of closed tabs that this tab has taken over: what is left of them, and who is to be told. */
import type { LinkOptions } from '../link.js'
import type { Change } from '../outbox.js'
import type { KeptChange, RoomSource } from '../persistence.js'
import { Courier, type Load } from './courier.js'
import type { Position } from './parcel.js'
import { bytesOfHex } from './records.js'

/** What a closed tab has left. */
export interface Legacy {
  readonly clientId: string
  /** The verified user that the changes were first sent as; undefined when they were never sent. */
  readonly author: string | null | undefined
  readonly rooms: readonly Load[]
}

/** What is done to what is kept, and who hears of it. */
export interface CarriedHost {
  readonly link: LinkOptions
  /** Removes changes from the database. */
  remove(clientId: string, room: string, gone: readonly number[]): void
  /** Nothing is left of a closed tab. */
  finished(clientId: string): void
  /** The changes were made by somebody else than whom the server knows this client as. They stay where they are. */
  wrongUser(author: string | null, user: string | null): void
}

interface Part {
  changes: readonly KeptChange[]
  readonly position: Position | null
  /** Nothing can be done now: its room has to be opened in this tab, or a new connection made. */
  parked: boolean
}

interface Tab {
  readonly clientId: string
  readonly author: string | null | undefined
  readonly rooms: Map<string, Part>
}

export class Carried {
  private readonly host: CarriedHost
  private tabs: readonly Tab[] = []
  private readonly sources = new Map<string, RoomSource>()
  /** One for each tab, all at once: the server acknowledges an edit when those that it builds on have come (P26). */
  private readonly couriers = new Map<Tab, Courier>()
  private online = false
  private ended = false

  constructor(host: CarriedHost) {
    this.host = host
  }

  /** Takes over what a closed tab has left. */
  adopt({ clientId, author, rooms }: Legacy): void {
    const parts = rooms.map(({ room, changes, position }): [string, Part] => [
      room,
      { changes, position, parked: false },
    ])
    this.tabs = [...this.tabs, { clientId, author, rooms: new Map(parts) }]
    for (const { room } of rooms) this.sources.get(room)?.carriedChanged()
    this.pump()
  }

  /** The changes that wait in a room. */
  of(room: string): readonly Change[] {
    return this.partsOf(room).flatMap(({ part }) => part.changes.map(({ change }) => change))
  }

  /** A room was opened in this tab: it hears of what happens to its changes. */
  enter(room: string, source: RoomSource): void {
    this.sources.set(room, source)
    for (const { part } of this.partsOf(room)) part.parked = false
    this.pump()
  }

  leave(room: string, source: RoomSource): void {
    if (this.sources.get(room) === source) this.sources.delete(room)
  }

  /** The server has told a room's epoch: what was made in another one is lost (P20). */
  joined(room: string, epoch: number | null): void {
    const lost = this.outdated(room, epoch)
    const message = 'the room was deleted and made again'
    for (const change of lost) this.sources.get(room)?.carriedLost(change, 'room_reset', message)
    this.giveUp(room, lost)
  }

  /** What was made in another life of a room than `epoch`. A tab may have seen that one before this tab does. */
  outdated(room: string, epoch: number | null): readonly Change[] {
    const changes = this.partsOf(room).flatMap(({ part }) => part.changes)
    return changes.filter((kept) => kept.epoch !== null && kept.epoch !== epoch).map(({ change }) => change)
  }

  /** Gives up some of what waits in a room. */
  giveUp(room: string, lost: readonly Change[]): void {
    const gone = new Set(lost)
    for (const { tab, part } of this.partsOf(room)) {
      const dropped = part.changes.filter(({ change }) => gone.has(change))
      // Whoever carried them had to stop there: what is left can go on.
      if (dropped.length > 0) part.parked = false
      this.drop(tab, room, part, dropped)
    }
    this.pump()
  }

  /** The client is connected: couriers may connect too. */
  up(): void {
    this.online = true
    for (const tab of this.tabs) for (const part of tab.rooms.values()) part.parked = false
    this.pump()
  }

  halt(): void {
    this.online = false
    for (const courier of this.couriers.values()) courier.stop()
    this.couriers.clear()
  }

  end(): void {
    this.ended = true
    this.halt()
  }

  private pump(): void {
    if (this.ended || !this.online) return
    for (const tab of this.tabs) if (!this.couriers.has(tab) && nextOf(tab) !== null) this.send(tab)
  }

  private send(tab: Tab): void {
    const options = { ...this.host.link, clientId: bytesOfHex(tab.clientId) }
    const courier = new Courier(options, {
      next: () => nextOf(tab),
      accepts: (user) => {
        if (tab.author === undefined || tab.author === user) return true
        this.host.wrongUser(tab.author, user)
        return false
      },
      settled: (room, n) => {
        const part = tab.rooms.get(room)
        if (part === undefined) return
        this.drop(
          tab,
          room,
          part,
          part.changes.filter(({ change }) => change.n <= n),
        )
      },
      refused: (room, change, code, message) => this.refused(tab, room, change, code, message),
      outdated: (room, epoch) => {
        // A room that has not seen its new life yet tells of it itself, by a reset.
        if (this.sources.get(room)?.epoch === epoch) this.joined(room, epoch)
      },
      visited: (room) => {
        const part = tab.rooms.get(room)
        if (part !== undefined) part.parked = true
      },
      ended: () => {
        for (const part of tab.rooms.values()) part.parked = true
        this.couriers.delete(tab)
        this.pump()
      },
    })
    this.couriers.set(tab, courier)
    courier.start()
  }

  private refused(tab: Tab, room: string, change: Change, code: string, message: string): void {
    const part = tab.rooms.get(room)
    const source = this.sources.get(room)
    if (part === undefined) return
    // A seed that comes too late has been answered, not refused.
    const answered = code === 'not_empty'
    if (source === undefined && !answered) {
      // It stays, and what follows it too, until somebody opens the room and can be told.
      this.couriers.get(tab)?.giveUp(room)
      return
    }
    if (!answered) source?.carriedLost(change, code, message)
    this.drop(
      tab,
      room,
      part,
      part.changes.filter((kept) => kept.change === change),
    )
  }

  private drop(tab: Tab, room: string, part: Part, gone: readonly KeptChange[]): void {
    if (gone.length === 0) return
    part.changes = part.changes.filter((kept) => !gone.includes(kept))
    this.host.remove(
      tab.clientId,
      room,
      gone.map(({ change }) => change.n),
    )
    if (part.changes.length === 0) {
      tab.rooms.delete(room)
      this.couriers.get(tab)?.giveUp(room)
    }
    this.tell(room)
    if (tab.rooms.size > 0) return
    this.tabs = this.tabs.filter((other) => other !== tab)
    this.host.finished(tab.clientId)
  }

  private tell(room: string): void {
    const source = this.sources.get(room)
    source?.carriedChanged()
    if (this.of(room).length === 0) source?.carriedSettled()
  }

  private partsOf(room: string): { readonly tab: Tab; readonly part: Part }[] {
    return this.tabs.flatMap((tab) => {
      const part = tab.rooms.get(room)
      return part === undefined ? [] : [{ tab, part }]
    })
  }
}

const nextOf = (tab: Tab): Load | null => {
  for (const [room, { changes, position, parked }] of tab.rooms)
    if (!parked) return { room, changes, position }
  return null
}
