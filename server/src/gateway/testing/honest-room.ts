/* A server with an honest member in the room `room`, whom no bad client in there may harm (I7). */
import { expect } from 'vitest'
import { startServer, type TestServer } from '../../testing/start-server.js'
import { within } from '../../testing/until.js'
import { WeftBot, type BotRoom } from '../../testing/weft-bot.js'

export const limits = {
  maxFrameBytes: 200_000,
  maxUpdateBytes: 100_000,
  maxEventBytes: 1_024,
  maxPresenceBytes: 256,
  maxRoomsPerConnection: 50,
}

export class HonestRoom {
  readonly server: TestServer
  readonly honest: BotRoom
  private edits = 0

  private constructor(server: TestServer, honest: BotRoom) {
    this.server = server
    this.honest = honest
  }

  static async start(): Promise<HonestRoom> {
    const server = await startServer({ ...limits, heartbeatMs: 1_500, helloTimeoutMs: 300, roomIdleMs: 0 })
    return new HonestRoom(server, await (await WeftBot.open(server.wsUrl)).join('room'))
  }

  /** The process, the room and the store are unharmed: another client edits, and one more loads it all. */
  async check(): Promise<void> {
    const { server, honest } = this
    honest.type(`${++this.edits} `)
    await honest.saved()
    const late = await WeftBot.open(server.wsUrl)
    expect((await late.join('room')).text).toBe(honest.text)
    await late.close()
    expect(server.faults).toEqual([])
  }

  dispose(): Promise<void> {
    return this.server.dispose()
  }
}

export const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values)

export const closeOf = (bot: {
  closed: Promise<{ code: number; reason: string }>
}): Promise<{ code: number; reason: string }> => within(bot.closed, 'the close')
