import { Crowd } from './crowd.js'
import { type Run, common, options, share } from './setup.js'

/** What a script has of each kind, where the environment does not say otherwise. */
interface Sizes {
  readonly rooms: number
  readonly typists: number
  readonly readers: number
}

/** Many rooms of the same size: each VU takes care of its part. `ROOMS`, and in each `TYPISTS` and `READERS`. */
export class Rooms {
  readonly rooms: number
  readonly typists: number
  readonly readers: number

  /** @param least the fewest readers */
  constructor(sizes: Sizes, least = 0) {
    this.rooms = options.integer('ROOMS', sizes.rooms, { min: 1 })
    this.typists = options.integer('TYPISTS', sizes.typists, { min: 1 })
    this.readers = options.integer('READERS', sizes.readers, { min: least })
  }

  /** Members of a room. */
  get perRoom(): number {
    return this.typists + this.readers
  }

  /** How long it takes all to connect. */
  get joinSeconds(): number {
    return (this.rooms * this.perRoom) / common.joinRate
  }

  /** Those of this VU, as a part of all. */
  get share(): number {
    const { from, to } = share(this.rooms)
    return (to - from) / this.rooms
  }

  /** Brings this VU's part of the members into their rooms. */
  async gather({ run }: Run): Promise<Crowd> {
    const { typists, readers, perRoom } = this
    const crowd = new Crowd()
    const { from, to } = share(this.rooms)
    for (let room = from; room < to; room++)
      crowd.addRoom({ name: `load/${run}/${room}`, firstId: room * perRoom, typists, readers })
    await crowd.join(common.settleSeconds * 1000)
    return crowd
  }
}
