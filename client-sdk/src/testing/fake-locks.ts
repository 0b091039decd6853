import type { Locks } from '../offline/index.js'

interface Request {
  readonly holder: object
  readonly grant: (lock: object | null) => Promise<void>
}

/** Web Locks for tabs that are objects: a tab that dies lets go of everything. */
export class FakeLocks {
  private readonly queues = new Map<string, Request[]>()
  private readonly dead = new Set<object>()

  /** The locks as one tab sees them. */
  of(holder: object): Locks {
    return {
      request: (name, { ifAvailable = false, signal }, granted) =>
        new Promise((resolve, reject) => {
          if (this.dead.has(holder)) return
          const queue = this.queues.get(name) ?? []
          this.queues.set(name, queue)
          if (ifAvailable && queue.length > 0) {
            granted(null).then(resolve, reject)
            return
          }
          const request: Request = {
            holder,
            grant: async (lock) => {
              await granted(lock)
              this.remove(name, request)
              resolve(undefined)
            },
          }
          signal?.addEventListener('abort', () => {
            // Only what still waits: a lock that is held is given back by its holder.
            if (queue.indexOf(request) <= 0) return
            queue.splice(queue.indexOf(request), 1)
            reject(new Error('aborted'))
          })
          queue.push(request)
          if (queue.length === 1) void request.grant({})
        }),
    }
  }

  /** A tab is gone. */
  kill(holder: object): void {
    this.dead.add(holder)
    for (const [name, queue] of this.queues) {
      for (const request of queue.filter((each) => each.holder === holder)) this.remove(name, request)
    }
  }

  private remove(name: string, request: Request): void {
    const queue = this.queues.get(name) ?? []
    const index = queue.indexOf(request)
    if (index === -1) return
    queue.splice(index, 1)
    if (index === 0) void queue[0]?.grant({})
  }
}
