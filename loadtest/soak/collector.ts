/*
 * Loaded into the server before its own code (`node --expose-gc --import`, with the port as the query of this module's URL): answers
 * each request, on 127.0.0.1, with the bytes that JavaScript's heap still uses after a full collection.
 */
import { createServer } from 'node:http'
import { isMainThread } from 'node:worker_threads'

// Worker threads load it too.
if (isMainThread)
  createServer((_request, response) => {
    globalThis.gc!()
    response.end(String(process.memoryUsage().heapUsed))
  })
    .listen(Number(new URL(import.meta.url).searchParams.get('port')), '127.0.0.1')
    .unref()
