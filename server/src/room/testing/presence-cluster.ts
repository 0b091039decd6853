/* The presence tables of three nodes, and a bus that loses, doubles and reorders what they tell. */
import type { BusPresence } from '../../bus/index.js'
import type { PresenceOwner } from '../presence-owner.js'
import { PresenceTable } from '../presence.js'
import { connection, entry, read } from './presence-entries.js'

const limits = { entriesPerConnection: 4 }

/** Of the nodes. */
export const names = ['a', 'b', 'c'] as const
type Name = (typeof names)[number]

interface Message {
  readonly entries: readonly BusPresence[]
  readonly whole: boolean
}

interface Client {
  readonly node: Name
  readonly owner: PresenceOwner
  /** What it believes to show: id to clock. */
  readonly shows: Map<number, number>
}

/** Operations and their arguments, each taken modulo what there is. */
export type Step = readonly [operation: number, x: number, y: number, z: number]

export class PresenceCluster {
  readonly tables = {
    a: new PresenceTable(limits),
    b: new PresenceTable(limits),
    c: new PresenceTable(limits),
  }
  readonly clients: Client[] = []
  readonly log: string[] = []
  /** What actually happened: the test says at its end that it was something. */
  readonly happened = { takeovers: 0, losses: 0, reordered: 0, returns: 0 }
  private readonly links = new Map<string, Message[]>()
  private readonly announced = new Map<string, number>()
  private now = 0
  private made = 0

  step([operation, x, y, z]: Step): void {
    this.now += 1 + (z % 3) * 1_000
    const node = names[x % 3] ?? 'a'
    const client = this.clients[y % Math.max(1, this.clients.length)]
    switch (operation) {
      case 0:
      case 1:
        this.claim(node, [y % 3], z)
        return
      case 2:
        this.claim(node, [y % 3, 3 + (z % 2)], z)
        return
      case 3:
      case 4:
        if (client !== undefined) this.renew(client, z)
        return
      case 5:
        if (client !== undefined) this.hide(client)
        return
      case 6:
        if (client === undefined) return
        this.tables[client.node].drop(client.owner, this.now)
        this.clients.splice(this.clients.indexOf(client), 1)
        this.note(`${client.owner.connection} is gone`)
        return
      case 7:
      case 8:
        this.flush(node)
        return
      case 9:
        this.send(node, { entries: this.tables[node].whole(), whole: true })
        return
      case 10:
        this.tables[node].dropNode(names[y % 3] ?? 'a', this.now)
        this.note(`${node} gives ${names[y % 3] ?? ''} up`)
        return
      default:
        this.deliver(node, names[y % 3] ?? 'a', z, operation)
    }
  }

  /** What is on its way is lost; then everybody tells everything, until nothing changes any more. */
  settle(): void {
    this.links.clear()
    for (let round = 0; round < 60; round++) {
      this.now += 200
      const before = this.view()
      for (const node of names) {
        this.flush(node)
        this.send(node, { entries: this.tables[node].whole(), whole: true })
      }
      const moved = [...this.links.values()].some((queue) => queue.some(({ whole }) => !whole))
      for (const from of names)
        for (const to of names) while (this.deliverOne(from, to, 0, false)) this.note(`${from} > ${to}`)
      if (!moved && before === this.view() && names.every((node) => !this.tables[node].hasChanges)) return
    }
    throw new Error('the tables tell each other something for ever')
  }

  shown(node: Name): ReturnType<typeof read> {
    return read(this.tables[node].snapshot())
  }

  private view(): string {
    return JSON.stringify(names.map((node) => this.shown(node)))
  }

  private claim(node: Name, ids: readonly number[], z: number): void {
    // Ids 0 and 1 are one user's on all nodes; 2 and up collide.
    const user = ids[0] === undefined || ids[0] < 2 ? 'ada' : (['ada', 'bob', null][z % 3] ?? null)
    // Neither the older nor the newer one always ranks higher.
    const owner = connection(user, `${z % 10}-${++this.made}`)
    const client: Client = { node, owner, shows: new Map() }
    if (ids.some((id) => this.clients.some(({ shows }) => shows.has(id)))) this.happened.takeovers++
    for (const id of ids) client.shows.set(id, z % 8)
    this.clients.push(client)
    this.show(client, ids, true)
  }

  private show(client: Client, ids: readonly number[], first: boolean): void {
    const entries = ids.map((id) => entry(id, client.shows.get(id) ?? 0, client.owner.connection))
    this.tables[client.node].apply(client.owner, entries, first, this.now)
    this.note(`${client.owner.connection} shows ${JSON.stringify(entries)} on ${client.node}, first ${first}`)
  }

  private renew(client: Client, z: number): void {
    for (const [id, clock] of client.shows) {
      client.shows.set(id, clock + 1 + (z % 2))
      this.show(client, [id], false)
    }
  }

  private hide(client: Client): void {
    const [id] = client.shows.keys()
    if (id === undefined) return
    const clock = (client.shows.get(id) ?? 0) + 1
    client.shows.delete(id)
    this.tables[client.node].apply(client.owner, [entry(id, clock, null)], false, this.now)
    this.note(`${client.owner.connection} hides ${id}`)
  }

  /** A tick of a node: its clients hear what changed, and one that hears of its own leave says that it is there. */
  private flush(node: Name): void {
    const entries = this.tables[node].takeTold()
    if (entries.length > 0) this.send(node, { entries, whole: false })
    const update = this.tables[node].takeChanges()?.update ?? null
    for (const [key, [clock, state]] of Object.entries(read(update))) {
      const id = Number(key)
      const last = this.announced.get(`${node}${id}`) ?? -1
      if (clock < last) throw new Error(`P33: node ${node} announces ${id} with ${clock} after ${last}`)
      this.announced.set(`${node}${id}`, clock)
      if (state !== null) continue
      for (const client of this.clients) {
        if (client.node !== node || !client.shows.has(id)) continue
        this.happened.returns++
        client.shows.set(id, clock + 1)
        this.show(client, [id], false)
      }
    }
  }

  private send(from: Name, message: Message): void {
    this.note(`${from} tells ${JSON.stringify(message)}`)
    for (const to of names) {
      if (to === from) continue
      const queue = this.links.get(from + to)
      if (queue === undefined) this.links.set(from + to, [message])
      else queue.push(message)
    }
  }

  private deliver(from: Name, to: Name, z: number, operation: number): void {
    const queue = this.links.get(from + to)
    if (queue === undefined || queue.length === 0) return
    const index = z % queue.length
    if (operation === 11) {
      queue.splice(index, 1)
      this.happened.losses++
      this.note(`${from} > ${to} loses ${index}`)
      return
    }
    if (index > 0) this.happened.reordered++
    this.deliverOne(from, to, index, operation === 12)
    this.note(`${from} > ${to} delivers ${index}${operation === 12 ? ' and again' : ''}`)
  }

  private deliverOne(from: Name, to: Name, index: number, keep: boolean): boolean {
    const queue = this.links.get(from + to)
    const message = queue?.[index]
    if (message === undefined) return false
    if (!keep) queue?.splice(index, 1)
    this.tables[to].hear(from, message.entries, message.whole, this.now)
    return true
  }

  private note(what: string): void {
    this.log.push(what)
  }
}
