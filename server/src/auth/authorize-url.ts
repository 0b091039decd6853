import { createHmac } from 'node:crypto'
import type { Authorize, AuthorizeAnswer } from './authorizer.js'

/** An answer is a few words; more is not read. */
const maxAnswerBytes = 16 * 1024

export interface AuthorizeUrlOptions {
  readonly url: string
  /** Signs the requests, so that the application can tell them from others'. */
  readonly secret: string
  readonly timeoutMs: number
}

/**
 * The header `weft-signature` of a request: the time in seconds, and the HMAC-SHA256 of the time, a dot and the body, in hex.
 * The time keeps a request that was overheard from being sent again later.
 */
export const signatureOf = (secret: string, time: number, body: string): string =>
  `t=${time},v1=${createHmac('sha256', secret).update(`${time}.${body}`).digest('hex')}`

/**
 * Asks the application over HTTP: POST of the request as JSON; the answer is 200 with `{"grant": ...}`. Everything else is a
 * failure, and grants nothing.
 */
export const authorizeByUrl =
  ({ url, secret, timeoutMs }: AuthorizeUrlOptions): Authorize =>
  async (request) => {
    const body = JSON.stringify(request)
    const response = await fetch(url, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        'weft-signature': signatureOf(secret, Math.floor(Date.now() / 1000), body),
      },
      body,
      // The answer of another place is none.
      redirect: 'error',
      signal: AbortSignal.timeout(timeoutMs),
    })
    if (response.status !== 200) {
      await response.body?.cancel()
      throw new Error(`AUTHORIZE_URL answered with status ${response.status}`)
    }
    const answer: unknown = JSON.parse(await readSome(response))
    if (typeof answer !== 'object' || answer === null || !('grant' in answer))
      throw new Error('the answer of AUTHORIZE_URL has no field "grant"')
    // Its shape is looked at by whoever asked.
    return answer.grant as AuthorizeAnswer
  }

const readSome = async (response: Response): Promise<string> => {
  const parts: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of response.body ?? []) {
    const part: unknown = chunk
    if (!(part instanceof Uint8Array)) continue
    bytes += part.length
    if (bytes > maxAnswerBytes)
      throw new Error(`the answer of AUTHORIZE_URL is longer than ${maxAnswerBytes} bytes`)
    parts.push(part)
  }
  return Buffer.concat(parts).toString()
}
