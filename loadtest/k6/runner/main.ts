/* npm run k6 -w loadtest -- SCRIPT [flags of k6 run]: see the README. */
import { bundleScripts, scriptNames } from './bundle.js'
import { bundles } from './folders.js'
import { findK6, runK6 } from './k6.js'
import { startServer } from './server.js'

const main = async (): Promise<number> => {
  const [script = '', ...flags] = process.argv.slice(2)
  if (!scriptNames.includes(script))
    throw new Error(`Give one of the scripts: ${scriptNames.join(', ')}; and after it flags of k6 run.`)
  findK6()
  await bundleScripts(bundles)
  // k6 gets the signal as well, ends its run, and shows the summary.
  process.on('SIGINT', () => undefined)
  if (process.env['URL']) return (await runK6({ script, flags, env: {}, isShown: true })).code
  const databaseUrl = process.env['DATABASE_URL']
  const server = await startServer(databaseUrl ? { DATABASE_URL: databaseUrl } : {})
  try {
    return (await runK6({ script, flags, env: { URL: server.url }, isShown: true })).code
  } finally {
    await server.stop()
  }
}

try {
  process.exitCode = await main()
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
  process.exitCode = 1
}
