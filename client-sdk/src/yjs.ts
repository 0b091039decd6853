/*
 * What the core uses of Yjs, by name. A bundler writes an import of its own for every file that imports a package, and
 * keeps all of a package that is passed on as a whole.
 */
export {
  Doc,
  applyUpdate,
  createDeleteSet,
  createDeleteSetFromStructStore,
  createSnapshot,
  decodeStateVector,
  decodeUpdate,
  encodeSnapshot,
  encodeStateAsUpdate,
  encodeStateVector,
  mergeDeleteSets,
  mergeUpdates,
  parseUpdateMeta,
  transact,
} from 'yjs'
