import { defineConfig } from 'vitest/config'

const resultsFile = process.env.WEFT_TEST_RESULTS
/** What takes long, or needs more than Node, PostgreSQL, Redis and a browser: `npm run test:cluster`. */
const long = [
  'server/src/bus/redis-variants.test.ts',
  'loadtest/chaos/cluster.test.ts',
  'loadtest/chaos/rolling-restart.test.ts',
  'server/src/testing-live/processes.test.ts',
  'server/src/testing-live/presence-faults.test.ts',
  'server/deploy/balancers.test.ts',
  'client-sdk/examples/chat/hidden-tab.test.ts',
  'client-sdk/examples/cursor-party/frame-rate.test.ts',
]

export default defineConfig({
  test: {
    include: ['{protocol,drizzle,server,client-sdk,loadtest}/**/*.test.{ts,tsx}'],
    exclude: ['**/node_modules/**', '**/dist/**', ...(process.env.WEFT_LONG === undefined ? long : [])],
    testTimeout: 60_000,
    hookTimeout: 120_000,
    pool: 'forks',
    maxWorkers: 2,
    // `.ci/run` adds up what each run counted.
    ...(resultsFile === undefined ? {} : { reporters: ['default', ['json', { outputFile: resultsFile }]] }),
  },
})
