/*
 * node dist/k6/runner/ci.js [RESULTS.json]: what CI runs with real k6. Short runs over both protocols that must pass, and runs
 * over a proxy that spoils something, each of which must fail by the threshold that is there for it.
 */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort } from '../../bench/servers/child.js'
import { bundleScripts } from './bundle.js'
import { bundles } from './folders.js'
import { runK6 } from './k6.js'
import { type Fault, startProxy } from './lossy-proxy.js'
import { startServer } from './server.js'

/** k6's exit code when a threshold failed. */
const thresholdFailed = 99

/** The thresholds of a run, as `metric: expression`, and whether each held. */
type Verdicts = ReadonlyMap<string, boolean>

interface Summary {
  /** k6 writes true for a threshold that failed. */
  readonly metrics: Readonly<Record<string, { readonly thresholds?: Readonly<Record<string, boolean>> }>>
}

const verdictsOf = (summary: Summary): Verdicts =>
  new Map(
    Object.entries(summary.metrics).flatMap(([metric, { thresholds = {} }]) =>
      Object.entries(thresholds).map(([rule, hasFailed]) => [`${metric}: ${rule}`, !hasFailed] as const),
    ),
  )

/** Machines that build and test are slow: it is losses that count here. The README's defaults are for others. */
const patient = { UPDATE_P99_MS: '3000', ACK_P99_MS: '5000', SYNC_P95_MS: '10000', RESYNC_P95_MS: '10000' }

const passing = [
  { script: 'smoke', env: { PROTOCOL: 'weft' } },
  { script: 'smoke', env: { PROTOCOL: 'yjs' } },
  { script: 'editors', env: { PROTOCOL: 'weft', ROOMS: '20', DURATION: '10s' } },
  { script: 'reconnect-storm', env: { PROTOCOL: 'weft', STORMS: '2', EVERY: '3s' } },
]

interface Spoilt {
  readonly fault: Fault
  readonly protocol: string
  /** The threshold that must fail, by its metric. */
  readonly metric: string
  readonly env?: Readonly<Record<string, string>>
}

const spoilt: readonly Spoilt[] = [
  { fault: 'drop', protocol: 'weft', metric: 'weft_lost' },
  { fault: 'drop', protocol: 'yjs', metric: 'weft_lost' },
  { fault: 'duplicate', protocol: 'weft', metric: 'weft_duplicates' },
  { fault: 'duplicate', protocol: 'yjs', metric: 'weft_duplicates' },
  { fault: 'delay', protocol: 'weft', metric: 'weft_update_latency', env: { UPDATE_P99_MS: '500' } },
  { fault: 'drop-acks', protocol: 'weft', metric: 'weft_unacked' },
  { fault: 'no-sync', protocol: 'yjs', metric: 'weft_unsynced' },
]
/** What is spoilt needs no long wait to be seen. */
const brief = { DURATION: '1s', RATE: '20', SETTLE: '1s' }

const main = async (resultsFile: string | undefined): Promise<number> => {
  const folder = await mkdtemp(join(tmpdir(), 'weft-k6-ci-'))
  let passed = 0
  let failed = 0
  const check = (name: string, holds: boolean, output = ''): void => {
    if (holds) passed++
    else failed++
    console.log(`${holds ? 'ok  ' : 'FAIL'} ${name}`)
    if (!holds) console.log(output)
  }
  const run = async (
    script: string,
    env: Readonly<Record<string, string>>,
  ): Promise<{ code: number; output: string; verdicts: Verdicts }> => {
    const file = join(folder, 'summary.json')
    const flags = ['--quiet', `--summary-export=${file}`]
    const { code, output } = await runK6({ script, flags, env, isShown: false })
    const verdicts = verdictsOf(JSON.parse(await readFile(file, 'utf8')) as Summary)
    await rm(file)
    return { code, output, verdicts }
  }
  await bundleScripts(bundles)
  const server = await startServer(null)
  try {
    for (const { script, env } of passing) {
      const { code, output, verdicts } = await run(script, { ...patient, URL: server.url, ...env })
      check(`${script} over ${env.PROTOCOL} ends with 0 (${verdicts.size} thresholds)`, code === 0, output)
      for (const [rule, holds] of verdicts) check(`${script} over ${env.PROTOCOL}: ${rule}`, holds)
    }
    for (const { fault, protocol, metric, env = {} } of spoilt) {
      const proxy = await startProxy(server.url, fault)
      const all = { ...patient, ...brief, PROTOCOL: protocol, ...env, URL: proxy.url }
      const { code, output, verdicts } = await run('smoke', all)
      await proxy.stop()
      const hit = [...verdicts].some(([rule, holds]) => rule.startsWith(`${metric}:`) && !holds)
      check(`smoke over ${protocol} fails by ${metric}: ${fault}`, code === thresholdFailed && hit, output)
    }
    const nobody = `ws://127.0.0.1:${await freePort()}`
    const { code, output, verdicts } = await run('smoke', { ...brief, URL: nobody })
    const hit = verdicts.get('weft_deliveries: count>0') === false
    check('smoke fails by weft_deliveries where no server is', code === thresholdFailed && hit, output)
  } finally {
    await server.stop()
    await rm(folder, { recursive: true, force: true })
  }
  console.log(`k6: ${passed} passed, ${failed} failed`)
  if (resultsFile !== undefined)
    await writeFile(resultsFile, JSON.stringify({ numPassedTests: passed, numFailedTests: failed }))
  return failed === 0 ? 0 : 1
}

process.exitCode = await main(process.argv[2])
