import { defineConfig } from 'vitest/config'

const resultsFile = process.env.WEFT_TEST_RESULTS

export default defineConfig({
  test: {
    include: ['{protocol,drizzle,server,client-sdk,loadtest}/**/*.test.{ts,tsx}'],
    exclude: ['**/node_modules/**', '**/dist/**'],
    testTimeout: 60_000,
    hookTimeout: 120_000,
    pool: 'forks',
    maxWorkers: 2,
    // `.ci/run` adds up what each run counted.
    ...(resultsFile === undefined ? {} : { reporters: ['default', ['json', { outputFile: resultsFile }]] }),
  },
})
