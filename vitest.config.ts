import { defineConfig } from 'vitest/config'

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

/** They start no server: they share a process, and what it has imported. */
const units = [
  '{protocol,drizzle,client-sdk}/src/**/*.test.{ts,tsx}',
  'loadtest/{bench,k6,plot}/**/*.test.ts',
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
} as const
const globalSetup = './server/src/testing/test-run.ts'
const exclude = ['**/node_modules/**', '**/dist/**', ...(isLong ? [] : long), ...(isTimed ? [] : timed)]

export default defineConfig({
  test: {
    maxWorkers: 2,
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
                exclude: [...exclude, ...units],
                globalSetup,
              },
            },
            { test: { ...shared, name: 'units', include: units, exclude, isolate: false } },
          ],
  },
})
