import { describe } from 'vitest'
import { openStore } from '../store/index.js'
import { makeDataDir } from '../testing/data-dir.js'
import { docWorkersContract } from './doc-workers.contract.js'

const logger = { info: () => undefined, warn: () => undefined, error: () => undefined }

describe('the doc workers on the embedded database', () => {
  docWorkersContract(async () => {
    const dir = await makeDataDir()
    const store = await openStore({ dataDir: dir.path, logger })
    return {
      store,
      async dispose() {
        await store.close()
        await dir.remove()
      },
    }
  })
})
