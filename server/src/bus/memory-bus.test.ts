import { setImmediate } from 'node:timers/promises'
import { describe } from 'vitest'
import { busContract } from './bus.contract.js'
import { MemoryBus } from './memory-bus.js'

describe('MemoryBus', () => {
  busContract(() => {
    const bus = new MemoryBus()
    return Promise.resolve({
      connect: (node) => Promise.resolve(bus.connect(node)),
      settled: () => setImmediate(),
    })
  })
})
