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
  treatWarningsAsErrors: true,
  treatValidationWarningsAsErrors: true,
}
