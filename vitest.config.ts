import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['{protocol,drizzle,server,client-sdk,loadtest}/**/*.test.{ts,tsx}'],
    exclude: ['**/node_modules/**', '**/dist/**'],
    testTimeout: 60_000,
    hookTimeout: 120_000,
    pool: 'forks',
    maxWorkers: 2,
  },
})
