import * as Y from 'yjs'
import { afterEach, describe, expect, test } from 'vitest'
import { inspectUpdate, UpdateInvalidError } from '../crdt/index.js'
import type { StoreConnection } from '../store/types.js'
import { quadratic } from '../crdt/testing/attacks.js'
import { DocWorkers, toShared, type DocWorkersOptions } from './index.js'

const nowhere: StoreConnection = { kind: 'postgres', url: 'postgres://nobody@127.0.0.1:1/none' }

let workers: DocWorkers | null = null

function start(options: Partial<DocWorkersOptions> = {}): DocWorkers {
  workers = new DocWorkers({ connection: nowhere, threads: 1, ...options })
  return workers
}

afterEach(async () => {
  await workers?.close()
  workers = null
})

function typed(length: number): Uint8Array {
  const doc = new Y.Doc()
  doc.transact(() => {
    for (let i = 0; i < length; i++) doc.getText('text').insert(i >> 1, 'x')
  })
  return Y.encodeStateAsUpdate(doc)
}

test('a server that waits for a thread finds one; threads that cannot start, or are closing, are told of', async () => {
  // However short a task must be.
  const closing = start({ timeoutMs: 1 })
  await closing.ready()
  await closing.close()
  await expect(closing.ready()).rejects.toMatchObject({ code: 'closed' })
  const broken = start({ memoryMb: 1 })
  await expect(broken.ready()).rejects.toMatchObject({ code: 'crashed' })
})

describe('byte results', () => {
  test('diff: what the state vector lacks, in shared memory, from parts in any kind of memory', async () => {
    const doc = new Y.Doc()
    const updates: Uint8Array[] = []
    doc.on('update', (update: Uint8Array) => updates.push(update))
    for (const word of ['one', 'two', 'three', 'fünf €😀']) doc.getText('text').insert(0, word)
    const [one, ...rest] = updates
    const known = new Y.Doc()
    Y.applyUpdate(known, one!)
    const diff = await start().diff({
      parts: [toShared(one!), ...rest.map((update) => Buffer.from(update))],
      stateVector: Y.encodeStateVector(known),
    })
    expect(diff.buffer).toBeInstanceOf(SharedArrayBuffer)
    expect(inspectUpdate(diff).structs).toEqual([
      { client: doc.clientID, clock: 3, len: doc.getText('text').length - 3 },
    ])
    Y.applyUpdate(known, diff)
    expect(known.getText('text').toJSON()).toBe(doc.getText('text').toJSON())
  })

  test('merge: the parts as one', async () => {
    const part = typed(5)
    expect(await start().merge({ parts: [part] })).toEqual(part)
    expect(await start().merge({ parts: [] })).toEqual(Uint8Array.from([0, 0]))
  })

  test('a view of a large buffer takes only itself to the worker', async () => {
    const pool = new Uint8Array(1 << 20)
    const part = typed(50)
    pool.set(part, 1000)
    expect(await start().merge({ parts: [pool.subarray(1000, 1000 + part.length)] })).toEqual(part)
  })

  test('addsNothing', async () => {
    const part = typed(50)
    const pool = start()
    expect(await pool.addsNothing({ parts: [part], update: part })).toBe(true)
    expect(await pool.addsNothing({ parts: [], update: part })).toBe(false)
  })
})

describe('errors are typed and take nothing else along', () => {
  test('invalid input', async () => {
    const pool = start()
    await expect(pool.inspect({ update: new Uint8Array([9]) })).rejects.toBeInstanceOf(UpdateInvalidError)
    await expect(pool.diff({ parts: [], stateVector: new Uint8Array([9]) })).rejects.toMatchObject({
      code: 'update_invalid',
    })
    await expect(pool.merge({ parts: [typed(5), new Uint8Array([9])] })).rejects.toMatchObject({
      name: 'DocWorkerError',
      code: 'failed',
      retryable: false,
    })
  })

  test('I6: past the queue, tasks are refused as busy, and the ones before are done', async () => {
    const pool = start({ maxQueued: 2 })
    const part = typed(2000)
    const results = await Promise.allSettled(
      Array.from({ length: 5 }, () => pool.merge({ parts: [part, part] })),
    )
    expect(results.map((result) => result.status)).toEqual([
      'fulfilled',
      'fulfilled',
      'fulfilled',
      'rejected',
      'rejected',
    ])
    expect(results[4]).toMatchObject({ reason: { name: 'DocWorkerError', code: 'busy', retryable: true } })
    expect(pool.pending).toBe(0)
  })

  test('I6: a task that runs out of memory is lost alone: another thread takes the next', async () => {
    const pool = start({ memoryMb: 24 })
    // Two million structs do not fit in this heap as objects.
    const structs = 2_000_000
    const body = new Uint8Array(structs * 2).fill(1)
    for (let i = 0; i < body.length; i += 2) body[i] = 0
    const header = [1, 0x80 | (structs & 127), 0x80 | ((structs >> 7) & 127), structs >> 14, 7, 0]
    const huge = Uint8Array.from([...header, ...body, 0])
    const results = await Promise.allSettled([
      pool
        .merge({ parts: [huge, ...Array.from({ length: 63 }, () => typed(5))] })
        .then(() => pool.addsNothing({ parts: [huge], update: Uint8Array.from([0, 1, 7, 1, 5, 1]) })),
      pool.merge({ parts: [typed(5)] }),
    ])
    expect(results[0]).toMatchObject({ status: 'rejected', reason: { code: 'crashed', retryable: true } })
    expect(results[1].status).toBe('fulfilled')
    expect(inspectUpdate(await pool.merge({ parts: [typed(7)] })).structs[0]?.len).toBe(7)
  })

  test('a task that takes too long is ended, and its thread replaced', async () => {
    const pool = start({ timeoutMs: 1 })
    await expect(pool.merge({ parts: [typed(20_000), typed(20_000)] })).rejects.toMatchObject({
      code: 'timed_out',
      retryable: true,
    })
    await pool.close()
  })

  test('I7: the time of a task begins with its run: who waits behind a slow one is not ended with it', async () => {
    const pool = start({ timeoutMs: 1_000 })
    // Each star item is compared with all the items of the chain: minutes, if nobody ended it.
    const slow = pool.addsNothing({ parts: [quadratic(20_000)], update: Uint8Array.from([0, 1, 9, 1, 0, 1]) })
    const next = pool.merge({ parts: [typed(5)] })
    await expect(slow).rejects.toMatchObject({ code: 'timed_out' })
    expect(inspectUpdate(await next).structs[0]?.len).toBe(5)
  })

  test('closing', async () => {
    const pool = start()
    const running = pool.merge({ parts: [typed(20_000), typed(20_000)] })
    const outcome = expect(running).rejects.toMatchObject({ code: 'closed' })
    await pool.close()
    await outcome
    await expect(pool.merge({ parts: [] })).rejects.toMatchObject({ code: 'closed' })
    await expect(pool.compact({ roomId: 1 as never, epoch: 1 })).rejects.toMatchObject({ code: 'closed' })
  })

  test('I7: shared types nested by the thousand do not overflow the stack of a worker', async () => {
    // Each type is in the one before it; the last update deletes the outermost.
    const depth = 20_000
    const clock = (value: number): number[] =>
      value < 128
        ? [value]
        : value < 16384
          ? [(value % 128) + 128, value >> 7]
          : [(value % 128) + 128, ((value >> 7) % 128) + 128, value >> 14]
    const bytes: number[] = [1, ...clock(depth), 7, 0, 7, 1, 1, 116, 0]
    for (let i = 1; i < depth; i++) bytes.push(7, 0, 7, ...clock(i - 1), 0)
    const nested = Uint8Array.from([...bytes, 0])
    const deletion = Uint8Array.from([0, 1, 7, 1, 0, 1])
    inspectUpdate(nested)
    const pool = start()
    // Nothing but a document knows that the inner ones are deleted with the outer one.
    const inner = Uint8Array.from([0, 1, 7, 1, ...clock(depth - 1), 1])
    expect(await pool.addsNothing({ parts: [nested, deletion], update: inner })).toBe(true)
  })
})
