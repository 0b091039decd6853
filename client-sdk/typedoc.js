import { modules } from './scripts/exports.mjs'

/** The API reference, from the docstrings: `npm run docs`. */
export default {
  entryPoints: modules('client-sdk').map(({ source }) => source),
  tsconfig: 'tsconfig.json',
  out: 'reference',
  name: '@weft/client',
  readme: 'README.md',
  ignoredHighlightLanguages: ['mermaid'],
  excludeInternal: true,
  excludePrivate: true,
  disableSources: true,
  validation: { notExported: true, invalidLink: true, notDocumented: true },
  // Every export; members whose name says it all need no sentence.
  requiredToBeDocumented: ['Enum', 'Variable', 'Function', 'Class', 'Interface', 'TypeAlias'],
  // What is behind `persistence` is between `@weft/client/offline` and the core.
  intentionallyNotExported: ['PersistenceSession', 'PersistenceHost'],
  treatWarningsAsErrors: true,
  treatValidationWarningsAsErrors: true,
}
