/* Yjs under one name for all files: a bundler writes an import of its own for every file that has one. */
export * as Y from 'yjs'
