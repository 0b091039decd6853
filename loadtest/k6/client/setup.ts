import { hmac } from 'k6/crypto'
import { b64encode } from 'k6/encoding'
import exec from 'k6/execution'
import { Options } from '../pure/options.js'
import { Counts } from './metrics.js'
import type { Protocol } from './member.js'

export const options = new Options(__ENV)

/** What all scripts take from the environment. */
export const common = {
  protocol: options.choice<Protocol>('PROTOCOL', 'weft', ['weft', 'yjs']),
  urls: options.urls('URL', 'ws://127.0.0.1:4400'),
  vus: options.integer('VUS', 1, { min: 1, max: 10_000 }),
  token: options.text('TOKEN', ''),
  tokenSecret: options.text('TOKEN_SECRET', ''),
  tokenIssuer: options.text('TOKEN_ISSUER', ''),
  tokenAudience: options.text('TOKEN_AUDIENCE', ''),
  run: options.text('RUN', ''),
  latencyEvery: options.integer('LATENCY_EVERY', 1, { min: 1 }),
  updateP99: options.number('UPDATE_P99_MS', 250, { min: 1 }),
  ackP99: options.number('ACK_P99_MS', 1000, { min: 1 }),
  syncP95: options.number('SYNC_P95_MS', 2000, { min: 1 }),
  joinRate: options.number('JOIN_RATE', 200, { min: 0.1 }),
  settleSeconds: options.seconds('SETTLE', '10s'),
}

/** What `setup` hands to each VU. */
export interface Run {
  /** Part of the rooms' names: the rooms of a run are its own. */
  readonly run: string
}

export const makeRun = (): Run => ({
  run:
    common.run === '' ? `${Date.now().toString(36)}-${Math.random().toString(36).slice(2, 8)}` : common.run,
})

/** The part of so many things that this VU takes care of: those from the first number to before the second. */
export const share = (count: number): { from: number; to: number } => {
  const vu = exec.scenario.iterationInTest
  const { vus } = common
  return { from: Math.floor((vu * count) / vus), to: Math.floor(((vu + 1) * count) / vus) }
}

export const makeCounts = (): Counts => new Counts(common.latencyEvery, common.updateP99)

/** The token of client number `id`, or null where the server needs none. */
export const tokenOf = (id: number): string | null => {
  if (common.token !== '') return common.token
  if (common.tokenSecret === '') return null
  const now = Math.floor(Date.now() / 1000)
  const claims = {
    sub: `load-${id}`,
    rooms: { 'load/*': 'write' },
    iat: now,
    exp: now + 86_400,
    ...(common.tokenIssuer === '' ? {} : { iss: common.tokenIssuer }),
    ...(common.tokenAudience === '' ? {} : { aud: common.tokenAudience }),
  }
  const signed = [{ alg: 'HS256', typ: 'JWT' }, claims]
    .map((part) => b64encode(JSON.stringify(part), 'rawurl'))
    .join('.')
  return `${signed}.${hmac('sha256', common.tokenSecret, signed, 'base64rawurl')}`
}

/**
 * A scenario whose VUs each run once.
 * @param seconds the time it takes, but for what comes before and after the load in every script
 */
export const once = (seconds: number, exec = 'default', vus = common.vus) => ({
  executor: 'per-vu-iterations' as const,
  vus,
  iterations: 1,
  maxDuration: `${Math.ceil(seconds + 2 * common.settleSeconds + 5)}s`,
  gracefulStop: '0s',
  exec,
})

/** The options of a script with one scenario. */
export const optionsOf = (seconds: number, thresholds: Record<string, string[]>, vus = common.vus) => ({
  scenarios: { load: once(seconds, 'default', vus) },
  thresholds,
  summaryTrendStats,
})

/**
 * The thresholds of all scripts, less those of some metrics. The first is what makes a run fail in which nothing happened.
 * @param without metrics that mean nothing to the script
 */
export const thresholds = (...without: string[]): Record<string, string[]> => {
  const all = {
    weft_deliveries: ['count>0'],
    weft_lost: ['count==0'],
    weft_duplicates: ['count==0'],
    weft_unsynced: ['count==0'],
    weft_refused: ['count==0'],
    weft_update_latency: [`p(99)<${common.updateP99}`],
    weft_sync_time: [`p(95)<${common.syncP95}`],
    ...(common.protocol === 'weft'
      ? { weft_unacked: ['count==0'], weft_ack_latency: [`p(99)<${common.ackP99}`] }
      : {}),
  }
  return Object.fromEntries(Object.entries(all).filter(([metric]) => !without.includes(metric)))
}

export const summaryTrendStats = ['avg', 'med', 'p(95)', 'p(99)', 'max']
