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

const secret = 'a secret of the load tests, long enough'

/** Machines that build and test are slow: it is losses that count here. The README's defaults are for others. */
const patient = {
  TOKEN_SECRET: secret,
  UPDATE_P99_MS: '3000',
  ACK_P99_MS: '5000',
  SYNC_P95_MS: '10000',
  RESYNC_P95_MS: '10000',
}

const passing = [
  { script: 'smoke', env: { PROTOCOL: 'weft' } },
  { script: 'smoke', env: { PROTOCOL: 'yjs' } },
  { script: 'editors', env: { PROTOCOL: 'weft', ROOMS: '20', DURATION: '10s' } },
  { script: 'reconnect-storm', env: { PROTOCOL: 'weft', STORMS: '3', EVERY: '2s' } },
]

interface Spoilt {
  /** Default: `smoke`. */
  readonly script?: string
  readonly fault: Fault
  readonly protocol: string
  /** Whose thresholds must fail. */
  readonly metrics: readonly string[]
  readonly env?: Readonly<Record<string, string>>
}

const spoilt: readonly Spoilt[] = [
  { fault: 'drop', protocol: 'weft', metrics: ['weft_lost'] },
  { fault: 'drop', protocol: 'yjs', metrics: ['weft_lost'] },
  { fault: 'duplicate', protocol: 'weft', metrics: ['weft_duplicates'] },
  { fault: 'duplicate', protocol: 'yjs', metrics: ['weft_duplicates'] },
  {
    fault: 'delay',
    protocol: 'weft',
    metrics: ['weft_update_latency', 'weft_ack_latency', 'weft_sync_time'],
    env: { UPDATE_P99_MS: '300', ACK_P99_MS: '300', SYNC_P95_MS: '300' },
  },
  { fault: 'drop-acks', protocol: 'weft', metrics: ['weft_unacked'] },
  { fault: 'no-sync', protocol: 'yjs', metrics: ['weft_unsynced', 'weft_deliveries'] },
  {
    script: 'presence-storm',
    fault: 'drop-presence',
    protocol: 'weft',
    metrics: ['weft_presences'],
    env: { MEMBERS: '4' },
  },
  {
    script: 'presence-storm',
    fault: 'delay',
    protocol: 'yjs',
    metrics: ['weft_presence_latency'],
    env: { MEMBERS: '4', PRESENCE_P99_MS: '300' },
  },
  {
    script: 'reconnect-storm',
    fault: 'delay',
    protocol: 'weft',
    metrics: ['weft_resync_time'],
    env: { ROOMS: '2', STORMS: '1', EVERY: '1s', RESYNC_P95_MS: '300' },
  },
  {
    script: 'reconnect-storm',
    fault: 'none',
    protocol: 'yjs',
    metrics: ['weft_reconnects'],
    env: { ROOMS: '2', STORMS: '1', EVERY: '1s', AWAY: '20s' },
  },
  {
    script: 'ramp',
    fault: 'delay',
    protocol: 'weft',
    metrics: ['weft_knee_updates'],
    env: { ROOMS: '2', STEPS: '2', STEP: '1s', UPDATE_P99_MS: '300' },
  },
  {
    fault: 'none',
    protocol: 'weft',
    metrics: ['weft_refused', 'weft_deliveries'],
    env: { TOKEN_SECRET: '' },
  },
]
/** What is spoilt needs no long wait to be seen. */
const brief = { DURATION: '500ms', RATE: '40', SETTLE: '1s' }

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
  const server = await startServer({ JWT_SECRET: secret })
  try {
    for (const { script, env } of passing) {
      const { code, output, verdicts } = await run(script, { ...patient, URL: server.url, ...env })
      check(
        `${script} over ${env.PROTOCOL} ends with 0 (${verdicts.size} thresholds)`,
        code === 0 && verdicts.size > 0,
        output,
      )
      for (const [rule, holds] of verdicts) check(`${script} over ${env.PROTOCOL}: ${rule}`, holds)
    }
    for (const { script = 'smoke', fault, protocol, metrics, env = {} } of spoilt) {
      const proxy = await startProxy(server.url, fault)
      const all = { ...patient, ...brief, PROTOCOL: protocol, ...env, URL: proxy.url }
      const { code, output, verdicts } = await run(script, all)
      await proxy.stop()
      for (const metric of metrics) {
        const hit = [...verdicts].some(([rule, holds]) => rule.startsWith(`${metric}:`) && !holds)
        check(
          `${script} over ${protocol} fails by ${metric}: ${fault}`,
          code === thresholdFailed && hit,
          output,
        )
      }
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
