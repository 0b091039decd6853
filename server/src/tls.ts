import { createPrivateKey, X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { ConfigError, type Config } from './config.js'
import { messageOf } from './message-of.js'

/**
 * Checks the files that the server is to speak TLS with: uWebSockets.js does not say what it dislikes about them.
 * @throws {ConfigError} one sentence that names the setting
 */
export const checkTls = (config: Pick<Config, 'tlsCertFile' | 'tlsKeyFile'>): void => {
  const { tlsCertFile, tlsKeyFile } = config
  if (tlsCertFile === undefined || tlsKeyFile === undefined) return
  const certificate = parsed(
    'TLS_CERT_FILE',
    tlsCertFile,
    'a PEM certificate',
    (pem) => new X509Certificate(pem),
  )
  const key = parsed('TLS_KEY_FILE', tlsKeyFile, 'a PEM private key without a passphrase', createPrivateKey)
  if (!certificate.checkPrivateKey(key)) {
    throw new ConfigError('TLS_KEY_FILE is not the private key of the certificate in TLS_CERT_FILE.')
  }
}

/**
 * What REDIS_CA_FILE holds, if it is set.
 * @throws {ConfigError} one sentence that names the setting
 */
export const readRedisCa = ({ redisCaFile }: Pick<Config, 'redisCaFile'>): string | undefined =>
  redisCaFile === undefined
    ? undefined
    : parsed('REDIS_CA_FILE', redisCaFile, 'a PEM certificate', readBundle)

/** @throws {Error} for what does not begin with a certificate */
const readBundle = (pem: Buffer): string => {
  new X509Certificate(pem)
  return pem.toString()
}

const parsed = <T>(name: string, path: string, what: string, parse: (pem: Buffer) => T): T => {
  let pem: Buffer
  try {
    pem = readFileSync(path)
  } catch (cause) {
    throw new ConfigError(`${name} cannot be read: ${messageOf(cause)}.`, {
      cause,
    })
  }
  try {
    return parse(pem)
  } catch (cause) {
    throw new ConfigError(`${name} is ${path}, which is not ${what}.`, { cause })
  }
}
