/* People who go on typing whatever happens to the server, and remember what it told them was saved. */
import { createClient, type Client, type ClientOptions, type Room } from '@weft/client'
import { until } from '@weft/server/testing'

/** Short delays: the point is what happens, and not how politely clients wait. */
const timing = { retryBase: 40, retryMax: 150, connectTimeout: 1_000, welcomeTimeout: 2_000 }

/** Milliseconds between two edits of a typist. */
const defaultPace = 4

export interface Tally {
  typed: number
  saved: number
  /** Promises of `saved()` that were refused, and changes that were. None may be. */
  readonly refused: string[]
}

/** One client in all rooms, each of which gets its tokens in turn. */
export class Typist {
  readonly client: Client
  readonly rooms: readonly Room[]
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
    tokens.insert(Math.floor(crew.random() * (tokens.length + 1)), [token])
    crew.typed(room.name, token)
    room.saved().then(
      () => crew.saved(room.name, token),
      (error: unknown) => crew.tally.refused.push(`${token}: ${String(error)}`),
    )
  }
}

/** Typists in the same rooms, and what they typed and were told. */
export class Crew {
  readonly typists: Typist[] = []
  readonly tally: Tally = { typed: 0, saved: 0, refused: [] }
  readonly random: () => number
  readonly pace: number
  private readonly url: string
  private readonly roomNames: readonly string[]
  private readonly all = new Map<string, Set<string>>()
  private readonly acked = new Map<string, Set<string>>()

  /** @param pace milliseconds between two edits of a typist */
  constructor(url: string, rooms: readonly string[], random: () => number, pace = defaultPace) {
    this.url = url
    this.pace = pace
    this.roomNames = rooms
    this.random = random
    for (const room of rooms) {
      this.all.set(room, new Set())
      this.acked.set(room, new Set())
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
  }

  /** Edits that nobody was told are saved. */
  get unsaved(): number {
    return this.tally.typed - this.tally.saved
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
      await until(async () => complete((found = await this.fresh())), 'everything typed is there').catch(
        () => undefined,
      )
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
    return { lost: this.lost(found), wrong: [...wrong, ...this.tally.refused] }
  }

  warn(message: string): void {
    this.tally.refused.push(message)
  }

  error(message: string): void {
    this.tally.refused.push(message)
  }
}
