/** What tests and benchmarks start for real: databases, processes, folders; and the tokens that go with them. */
export * from './postgres.js'
export * from './temp-dir.js'
export * from './data-dir.js'
export * from './server-process.js'
export * from './until.js'
export * from './redis.js'
export * from './tokens.js'
export * from './traces.js'
