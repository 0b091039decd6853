/* People who go on typing whatever happens to the server, and remember what it told them was saved. */
import { WeftError, createClient, type Client, type ClientOptions, type Room } from '@weft/client'
import { until } from '@weft/server/testing'
import type { RoomLog } from './verdict.js'
import { watchTokens, type Watch } from './watch.js'

/** Short delays: the point is what happens, and not how politely clients wait. */
const timing = { retryBase: 40, retryMax: 150, connectTimeout: 1_000, welcomeTimeout: 2_000 }

/** A stock provider takes a connection for dead after 30 s of silence, and looks every 3 s; then it has to come back. */
const stockNoticeMs = 45_000

/** Milliseconds between two edits of a typist. */
const defaultPace = 4

export interface Tally {
  typed: number
  saved: number
  appended: number
  /** Events whose place in the log was told. */
  logged: number
  /** Promises of `saved()` that were refused, and changes that were. None may be. */
  readonly refused: string[]
}

/** One of so many edits is followed by an event. */
const editsPerEvent = 8

/** One client in all rooms, each of which gets its tokens in turn. */
export class Typist {
  readonly client: Client
  readonly rooms: readonly Room[]
  /** The events that it was told, by room, as `seq payload`. */
  readonly heard = new Map<string, string[]>()
  /** How many events had been appended to a room when it came: those after them it must hear. */
  readonly cameAfter = new Map<string, number>()
  private readonly name: string
  private readonly crew: Crew
  private timer: NodeJS.Timeout | null = null
  private n = 0

  constructor(
    name: string,
    url: string,
    rooms: readonly string[],
    crew: Crew,
    options: Partial<ClientOptions>,
  ) {
    this.name = name
    this.crew = crew
    this.client = createClient({ url, timing, logger: crew, ...options })
    this.rooms = rooms.map((room) => this.client.room(room))
    for (const room of this.rooms) {
      const heard: string[] = []
      this.heard.set(room.name, heard)
      if (crew.watch) watchTokens(crew.watch, name, room.doc)
      room.events.onAny(({ seq, payload }) => heard.push(`${seq} ${String(payload)}`))
      void room.synced().then(() => this.cameAfter.set(room.name, crew.appended(room.name).length))
      room.on('rejected', ({ n, code }) => crew.tally.refused.push(`${name}: ${n} in ${room.name}: ${code}`))
    }
  }

  start(): void {
    this.timer ??= setInterval(() => this.type(), this.crew.pace)
  }

  stop(): void {
    if (this.timer !== null) clearInterval(this.timer)
    this.timer = null
  }

  /** One edit, somewhere in the next room. */
  type(): void {
    const { crew } = this
    const room = this.rooms[this.n % this.rooms.length]!
    const token = `${this.name}.${this.n++}`
    const tokens = room.doc.getArray<string>('tokens')
    crew.watch?.typed(this.name, token)
    crew.watch?.asked(token)
    tokens.insert(Math.floor(crew.random() * (tokens.length + 1)), [token])
    crew.typed(room.name, token)
    room.saved().then(
      () => crew.saved(room.name, token),
      (error: unknown) => crew.tally.refused.push(`${token}: ${String(error)}`),
    )
    if (this.n % editsPerEvent === 0) this.say(room, token)
  }

  private say(room: Room, token: string): void {
    const { tally } = this.crew
    tally.appended++
    this.crew.appended(room.name).push(token)
    this.crew.watch?.asked(`said ${token}`)
    room.events.append('said', token).then(
      ({ seq }) => {
        tally.logged++
        this.crew.watch?.acked(`said ${token}`)
        this.crew.events(room.name).push(`${seq} ${token}`)
      },
      (error: unknown) => tally.refused.push(`the event ${token}: ${String(error)}`),
    )
  }
}

/** Typists in the same rooms, and what they typed and were told. */
export class Crew {
  readonly typists: Typist[] = []
  readonly tally: Tally = { typed: 0, saved: 0, appended: 0, logged: 0, refused: [] }
  readonly random: () => number
  readonly pace: number
  readonly watch: Watch | undefined
  private readonly url: string
  private readonly roomNames: readonly string[]
  private readonly all = new Map<string, Set<string>>()
  private readonly acked = new Map<string, Set<string>>()
  private readonly said = new Map<string, { readonly appended: string[]; readonly logged: string[] }>()

  /** @param pace milliseconds between two edits of a typist */
  constructor(
    url: string,
    rooms: readonly string[],
    random: () => number,
    pace = defaultPace,
    watch?: Watch,
  ) {
    this.url = url
    this.watch = watch
    this.pace = pace
    this.roomNames = rooms
    this.random = random
    for (const room of rooms) {
      this.all.set(room, new Set())
      this.acked.set(room, new Set())
      this.said.set(room, { appended: [], logged: [] })
    }
  }

  add(count: number, options: Partial<ClientOptions> = {}): void {
    for (let i = 0; i < count; i++) {
      this.typists.push(new Typist(`t${this.typists.length}`, this.url, this.roomNames, this, options))
    }
  }

  start(): void {
    for (const typist of this.typists) typist.start()
  }

  stop(): void {
    for (const typist of this.typists) typist.stop()
  }

  close(): void {
    this.stop()
    for (const { client } of this.typists) client.close()
  }

  typed(room: string, token: string): void {
    this.tally.typed++
    this.all.get(room)?.add(token)
  }

  saved(room: string, token: string): void {
    this.tally.saved++
    this.acked.get(room)?.add(token)
    this.watch?.acked(token)
  }

  /** Edits and events that nobody was told are saved. */
  get unsaved(): number {
    const { typed, saved, appended, logged } = this.tally
    return typed - saved + appended - logged
  }

  /** The events of a room whose authors were told their seqs, as `seq payload`. */
  events(room: string): string[] {
    return this.said.get(room)?.logged ?? []
  }

  /** The events that were appended to a room, by whomever, logged or not. */
  appended(room: string): string[] {
    return this.said.get(room)?.appended ?? []
  }

  /** What was typed into a room, in no order. */
  tokens(room: string): string[] {
    return [...(this.all.get(room) ?? [])].sort()
  }

  /** Every client's `saved()` has resolved. */
  async untilSaved(ms = 30_000): Promise<void> {
    await until(() => this.unsaved === 0, `everything is saved, ${this.unsaved} are not`, ms)
  }

  /** What a client that was never here finds, by room. */
  async fresh(): Promise<Map<string, string[]>> {
    const client = createClient({ url: this.url, timing, logger: this })
    try {
      const found = new Map<string, string[]>()
      for (const name of this.roomNames) {
        const room = client.room(name)
        await room.synced()
        found.set(name, room.doc.getArray<string>('tokens').toArray())
      }
      return found
    } finally {
      client.close()
    }
  }

  /** What was acknowledged and is not in `found`: must be nothing. */
  lost(found: ReadonlyMap<string, readonly string[]>): string[] {
    const lost: string[] = []
    for (const [room, tokens] of this.acked) {
      const there = new Set(found.get(room))
      for (const token of tokens) if (!there.has(token)) lost.push(`${token} of ${room}`)
    }
    return lost
  }

  /**
   * A fresh client finds what was acknowledged, every change is saved in the end, once, and all see the same.
   * @param elsewhere what others typed, by room
   */
  async verify(
    elsewhere: ReadonlyMap<string, readonly string[]> = new Map(),
  ): Promise<{ lost: string[]; wrong: string[] }> {
    this.stop()
    await this.untilSaved()
    const expected = (room: string): string =>
      [...this.tokens(room), ...(elsewhere.get(room) ?? [])].sort().join()
    const complete = (found: ReadonlyMap<string, readonly string[]>): boolean =>
      this.roomNames.every((name) => [...(found.get(name) ?? [])].sort().join() === expected(name))
    // What others typed may still be on its way.
    let found = await this.fresh()
    if (elsewhere.size > 0) {
      const looked = async (): Promise<boolean> => complete((found = await this.fresh()))
      await until(looked, 'everything typed is there', stockNoticeMs).catch(() => undefined)
    }
    const wrong: string[] = []
    for (const name of this.roomNames) {
      const content = found.get(name) ?? []
      if ([...content].sort().join() !== expected(name)) {
        wrong.push(
          `${name} holds ${content.length} tokens, and ${expected(name).split(',').length} were typed`,
        )
      }
      const same = (typist: Typist): boolean => {
        const room = typist.rooms.find((each) => each.name === name)
        return room?.doc.getArray<string>('tokens').toArray().join() === content.join()
      }
      await until(() => this.typists.every(same), `all clients see the same in ${name}`)
    }
    wrong.push(...(await this.misheard()))
    return { lost: this.lost(found), wrong: [...wrong, ...this.tally.refused] }
  }

  /** I2: every client has heard the events in the log's order, each once, from the moment on at which it came. */
  private async misheard(): Promise<string[]> {
    const wrong: string[] = []
    for (const name of this.roomNames) {
      const log = await this.log(name)
      if ([...log].sort().join() !== [...this.events(name)].sort().join())
        wrong.push(`the log of ${name} is not every event under the seq that its author was told`)
      const appended = this.appended(name)
      const heardAll = ({ heard, cameAfter }: Typist): boolean => {
        const events = heard.get(name) ?? []
        const due = appended.slice(cameAfter.get(name) ?? 0)
        const tokens = new Set(events.map((event) => event.slice(event.indexOf(' ') + 1)))
        return (
          due.every((token) => tokens.has(token)) &&
          events.join() === log.slice(log.length - events.length).join()
        )
      }
      await until(() => this.typists.every(heardAll), `everybody has heard the log of ${name}`).catch(() => {
        for (const typist of this.typists.filter((each) => !heardAll(each)))
          wrong.push(
            `a client heard ${typist.heard.get(name)?.join()} in ${name}, and the log is ${log.join()}`,
          )
      })
    }
    return wrong
  }

  /** What people were told, and what one who was never here finds, by room. */
  async logs(): Promise<RoomLog[]> {
    const found = await this.fresh()
    return Promise.all(
      this.roomNames.map(async (room) => ({
        room,
        saved: [...(this.acked.get(room) ?? [])],
        found: found.get(room) ?? [],
        logged: this.events(room),
        log: await this.log(room),
        heard: this.typists.map(({ heard }) => heard.get(room) ?? []),
      })),
    )
  }

  /** The events of a room as the server has them. */
  private async log(name: string): Promise<string[]> {
    const client = createClient({ url: this.url, timing, logger: this })
    try {
      const room = client.room(name)
      await room.synced()
      const log: string[] = []
      for (let after = 0, more = true; more;) {
        const page = await patiently(() => room.events.history({ after, limit: 1000 }))
        for (const { seq, payload } of page.events) log.push(`${seq} ${String(payload)}`)
        after = page.events.at(-1)?.seq ?? after
        more = page.more
      }
      return log
    } finally {
      client.close()
    }
  }

  warn(message: string): void {
    this.tally.refused.push(message)
  }

  error(message: string): void {
    this.tally.refused.push(message)
  }
}

/** A database that has just come back may refuse the first who reads: what may be tried again is. */
const patiently = async <T>(ask: () => Promise<T>): Promise<T> => {
  for (let tries = 1; ; tries++) {
    try {
      return await ask()
    } catch (thrown) {
      if (!(thrown instanceof WeftError) || !thrown.retryable || tries === 50) throw thrown
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
  }
}
