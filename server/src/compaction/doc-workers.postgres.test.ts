import { describe } from 'vitest'
import { openStore } from '../store/index.js'
import { startPostgres } from '../testing/postgres.js'
import { docWorkersContract } from './doc-workers.contract.js'

const logger = { info: () => undefined, warn: () => undefined, error: () => undefined }

describe('the doc workers on PostgreSQL', () => {
  docWorkersContract(async () => {
    const server = await startPostgres()
    const store = await openStore({
      databaseUrl: await server.createDatabase(),
      dataDir: '/nonexistent',
      logger,
    })
    return {
      store,
      async dispose() {
        await store.close()
        await server.dispose()
      },
    }
  })
})
