import { PGlite } from '@electric-sql/pglite'
import { parentPort, workerData } from 'node:worker_threads'
import { SharedSessionServer } from './shared-session.js'

/** What `EmbeddedPostgres` hands to this thread. */
export interface EmbeddedWorkerData {
  /** The folder of the database itself. */
  readonly dataDir: string
  readonly socketPath: string
}

/** From this thread to `EmbeddedPostgres`. Towards it there is one message, `close`. */
export type EmbeddedWorkerMessage =
  | { readonly kind: 'listening' }
  | { readonly kind: 'failed'; readonly reason: string }
  | { readonly kind: 'closed' }

const port = parentPort
if (port === null) throw new Error('embedded-worker is a worker thread')
const { dataDir, socketPath } = workerData as EmbeddedWorkerData
const tell = (message: EmbeddedWorkerMessage): void => port.postMessage(message)

/**
 * PGlite touches all of the shared buffers as it starts: with the 128 MB that initdb writes the process takes 240 MB more. The
 * operating system keeps what is read from the files as well.
 */
const settings = ['-c', 'shared_buffers=16MB']

try {
  const db = await PGlite.create({ dataDir, startParams: [...PGlite.defaultStartParams, ...settings] })
  const server = new SharedSessionServer(
    {
      exec: (messages, onData) => db.execProtocolRawStream(messages, { onRawData: onData }),
      inTransaction: () => db.isInTransaction(),
    },
    (error) => {
      tell({ kind: 'failed', reason: String(error) })
      // The WebAssembly's memory is in an unknown state: it must not write again.
      process.exit(1)
    },
  )
  await server.listen(socketPath)
  port.once('message', () => {
    void server
      .close()
      .then(() => db.close())
      .then(() => tell({ kind: 'closed' }))
      .catch((error: unknown) => tell({ kind: 'failed', reason: String(error) }))
      .finally(() => port.close())
  })
  tell({ kind: 'listening' })
} catch (error) {
  tell({ kind: 'failed', reason: String(error) })
  port.close()
}
