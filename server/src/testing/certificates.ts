import { execFile } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { makeTempDir } from './temp-dir.js'

/** An authority of a test's own, and a certificate for 127.0.0.1 and localhost that it has signed. PEM files. */
export interface Certificates {
  /** What is in `caFile`. */
  readonly ca: string
  readonly caFile: string
  readonly certFile: string
  readonly keyFile: string
  remove(): Promise<void>
}

/** Makes them with `openssl`. They hold for two days. */
export const makeCertificates = async (): Promise<Certificates> => {
  const dir = await makeTempDir('weft-certificates-')
  const file = (name: string): string => join(dir.path, name)
  const openssl = (...args: string[]): Promise<unknown> => promisify(execFile)('openssl', args)
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
  const [caFile, caKey, certFile, keyFile] = [
    file('ca.pem'),
    file('ca.key'),
    file('cert.pem'),
    file('key.pem'),
  ]
  await writeFile(file('names'), 'subjectAltName=IP:127.0.0.1,DNS:localhost')
  await openssl(
    'req',
    '-x509',
    ...newKey,
    '-subj',
    '/CN=weft test',
    '-days',
    '2',
    '-keyout',
    caKey,
    '-out',
    caFile,
  )
  await openssl('req', ...newKey, '-subj', '/CN=localhost', '-keyout', keyFile, '-out', file('request'))
  const signer = ['-CA', caFile, '-CAkey', caKey, '-CAcreateserial', '-days', '2', '-extfile', file('names')]
  await openssl('x509', '-req', '-in', file('request'), ...signer, '-out', certFile)
  return { ca: await readFile(caFile, 'utf8'), caFile, certFile, keyFile, remove: () => dir.remove() }
}
