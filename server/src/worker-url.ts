/**
 * The URL of a worker thread's script, for `new Worker(url)`.
 *
 * Node cannot load TypeScript, and under vitest the caller runs from `src/`: there, the compiled file in `dist/`
 * is meant (`npm test` builds first). From `dist/`, it is the file beside the caller.
 * @param relativeName the worker's file beside the caller, as it is called when compiled: `./embedded-worker.js`
 * @param importMetaUrl the caller's `import.meta.url`
 */
export function workerUrl(relativeName: string, importMetaUrl: string): URL {
  const url = new URL(relativeName, importMetaUrl)
  if (!importMetaUrl.endsWith('.ts')) return url
  const at = url.pathname.lastIndexOf('/src/')
  if (at < 0)
    throw new Error(`${importMetaUrl} is not below a src folder: its compiled workers cannot be found`)
  url.pathname = `${url.pathname.slice(0, at)}/dist/${url.pathname.slice(at + '/src/'.length)}`
  return url
}
