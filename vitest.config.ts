import { relative } from 'node:path'
import { defineConfig } from 'vitest/config'
import { BaseSequencer, type TestSpecification } from 'vitest/node'

const resultsFile = process.env.WEFT_TEST_RESULTS
/** `WEFT_LONG=1` runs these instead of the others. */
const isLong = process.env.WEFT_LONG !== undefined
/** What takes long, or needs more than Node, PostgreSQL, Redis and a browser: `npm run test:cluster`. */
const long = [
  'server/src/bus/redis-variants.test.ts',
  'loadtest/chaos/cluster.test.ts',
  'loadtest/chaos/rolling-restart.test.ts',
  'server/src/operate/rooms.test.ts',
  'server/src/testing-live/abuse.test.ts',
  'server/src/testing-live/idle-sockets.test.ts',
  'server/src/testing-live/processes.test.ts',
  'server/src/testing-live/presence-faults.test.ts',
  'server/src/testing-live/cluster-presence.test.ts',
  'server/src/testing-live/dropped-base.test.ts',
  'server/src/testing-live/hocuspocus.test.ts',
  'server/src/testing-live/sdk-connection.test.ts',
  'server/src/testing-live/offline.test.ts',
  'server/src/testing-live/react.test.ts',
  'client-sdk/examples/todo-react/todo.test.ts',
  'server/src/testing-live/offline-faults.test.ts',
  'server/deploy/balancers.test.ts',
  'client-sdk/examples/bot-typescript/src/bot.test.ts',
  'client-sdk/examples/chat/hidden-tab.test.ts',
  'client-sdk/examples/chat/chat.test.ts',
  'client-sdk/examples/cursor-party/cursor-party.test.ts',
  'client-sdk/examples/rich-text/rich-text.test.ts',
  'client-sdk/examples/text-editor/text-editor.test.ts',
]

/** Those that take longest begin first: at the end nobody waits for one of them. */
const slowest = [
  'loadtest/chaos/kill.test.ts',
  'server/src/testing-live/real-input.test.ts',
  'loadtest/chaos/database.test.ts',
  'server/src/main.test.ts',
  'server/src/testing-live/ordering.test.ts',
  'server/src/playground/playground.test.ts',
  'server/src/store/store.embedded.test.ts',
  'server/src/gateway/slow-clients.test.ts',
]

class SlowestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const place = ({ moduleId }: TestSpecification): number => {
      const index = slowest.indexOf(relative(this.ctx.config.root, moduleId))
      return index < 0 ? slowest.length : index
    }
    return (await super.sort(files)).sort((a, b) => place(a) - place(b))
  }
}

/** It puts another module in the place of one, in a process of its own. */
const mocking = ['server/src/gateway/membership.test.ts']

/** They start no server. */
const units = [
  '{protocol,drizzle,client-sdk}/src/**/*.test.{ts,tsx}',
  'loadtest/{bench,capacity,k6,plot,soak}/**/*.test.ts',
  'loadtest/chaos/{options,timeline,verdict}.test.ts',
  'server/playground/**/*.test.ts',
  'server/src/{crdt,journal,limits,room,telemetry,tenants}/**/*.test.ts',
]

/** What is measured in milliseconds, and so needs a machine of its own: `npm run test:frames`. */
const timed = ['client-sdk/examples/cursor-party/frame-rate.test.ts']
const isTimed = process.env.WEFT_TIMED !== undefined

const shared = {
  testTimeout: 60_000,
  hookTimeout: 120_000,
  pool: 'forks',
  // Files share a process, and what it has imported: to start one and to import takes as long as most of them run.
  isolate: false,
} as const
const globalSetup = './server/src/testing/test-run.ts'
const exclude = ['**/node_modules/**', '**/dist/**', ...(isLong ? [] : long), ...(isTimed ? [] : timed)]

export default defineConfig({
  test: {
    maxWorkers: 2,
    sequence: { sequencer: SlowestFirst },
    // `.ci/run` adds up what each run counted.
    ...(resultsFile === undefined ? {} : { reporters: ['default', ['json', { outputFile: resultsFile }]] }),
    projects:
      isLong || isTimed
        ? [
            {
              test: {
                ...shared,
                name: isLong ? 'long' : 'timed',
                include: isLong ? long : timed,
                exclude,
                globalSetup,
              },
            },
          ]
        : [
            {
              test: {
                ...shared,
                name: 'servers',
                include: ['{protocol,drizzle,server,client-sdk,loadtest}/**/*.test.{ts,tsx}'],
                exclude: [...exclude, ...units, ...mocking],
                globalSetup,
              },
            },
            { test: { ...shared, name: 'units', include: units, exclude } },
            { test: { ...shared, name: 'mocking', include: mocking, exclude, isolate: true } },
          ],
  },
})
