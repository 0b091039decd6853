import { Authorizer, authorizeByUrl, type Authorize } from './auth/index.js'
import { ConfigError, type Config } from './config.js'
import type { Logger } from './telemetry/index.js'
import type { FairShares } from './tenants/index.js'

/** The authorization hook, from the program or over HTTP; null without one. @throws {ConfigError} when both are given */
export const openAuthorizer = (
  config: Config,
  given: Authorize | undefined,
  shares: FairShares,
  log: Logger,
): Authorizer | null => {
  const { authorizeUrl: url, authorizeSecret: secret, authorizeTimeoutMs: timeoutMs } = config
  const isUrl = url !== undefined && secret !== undefined
  if (given !== undefined && isUrl)
    throw new ConfigError('AUTHORIZE_URL and the option `authorize` exclude each other: set one of them.')
  const authorize = given ?? (isUrl ? authorizeByUrl({ url, secret, timeoutMs }) : null)
  if (authorize === null) return null
  return new Authorizer(authorize, {
    timeoutMs,
    cacheMs: config.authorizeCacheMs,
    shares,
    failed: (error) =>
      log.warn({ err: error }, 'the authorization hook failed: nobody joins a room until it answers again'),
  })
}
