import { createClient } from '../client.js'
import { onDemand } from '../on-demand.js'
import type { Client, ClientOptions, Logger } from '../types.js'
import { FakeClock } from './fake-clock.js'
import { FakeServer } from './fake-server.js'

// What the SDK loads when it needs it is at hand, so that it comes with the microtasks that `settle` waits for.
await Promise.all(Object.values(onDemand).map((load) => load()))

/** Lets everything that is under way in microtasks come to its end. */
export const settle = async (): Promise<void> => {
  for (let i = 0; i < 3; i++) await new Promise<void>((resolve) => void setImmediate(resolve))
}

/** Collects what the SDK reports. */
export class Reports implements Logger {
  readonly messages: string[] = []
  warn(message: string): void {
    this.messages.push(message)
  }
  error(message: string): void {
    this.messages.push(message)
  }
}

export interface Harness {
  readonly server: FakeServer
  readonly clock: FakeClock
  readonly reports: Reports
  client(options?: Partial<ClientOptions>): Client
  /** Lets time pass in small steps, with everything that it sets off. */
  pass(ms: number): Promise<void>
}

/** A fake server, a fake clock, and clients that use both. Delays are the middle of their range. */
export const harness = (): Harness => {
  const server = new FakeServer()
  const clock = new FakeClock()
  const reports = new Reports()
  return {
    server,
    clock,
    reports,
    client: (options) =>
      createClient({
        url: 'ws://fake',
        WebSocket: server.WebSocket,
        clock,
        random: () => 0.5,
        logger: reports,
        ...options,
      }),
    pass: async (ms) => {
      // Answers come between slices: shorter ones than what waits for them.
      const slice = Math.min(1_000, Math.max(1, ms / 20))
      for (let passed = 0; passed < ms; passed += slice) {
        clock.advance(Math.min(slice, ms - passed))
        await settle()
      }
    },
  }
}
