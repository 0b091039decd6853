/** Everything that costs O(document), in worker threads: loading a room, compaction, merging and diffing. */
export { DocTasks } from './doc-tasks.js'
export { DocWorkers, type DocWorkersOptions } from './doc-workers.js'
export { DocWorkerError, type DocWorkerErrorCode } from './errors.js'
export { unpackEvents, type PackedEvents } from './packed-events.js'
export { allocateShared, toShared } from './shared-bytes.js'
export type { CompactedRoom, LoadedRoom } from './tasks.js'
