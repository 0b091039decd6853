/* The HTTP side: health, metrics, the playground. */
import type { HttpRequest, HttpResponse, TemplatedApp } from './uws.js'

/** What a GET answers with. */
export interface HttpAnswer {
  readonly status: string
  readonly type: string
  readonly body: string | Uint8Array
  readonly headers?: Readonly<Record<string, string>>
}

/** A GET for a page. */
export interface PageRequest {
  readonly path: string
  /** The header `If-None-Match`, or ''. */
  readonly ifNoneMatch: string
  readonly acceptsGzip: boolean
}

/** Whom the answers are for. */
export interface HttpAudience {
  /** The server speaks TLS. */
  readonly isSecure: boolean
  /** Whether pages of an origin may connect, and so ask how the server is. */
  allows(origin: string): boolean
  /** Whether the origin is listed by name: `*` is not meant for the metrics. */
  lists(origin: string): boolean
}

export interface HttpHandlers {
  /** `/readyz` */
  ready(): Promise<{ ok: boolean; body: Record<string, unknown> }>
  /** `/metrics` */
  metrics(): Promise<string>
  /** Everything else; null for 404. */
  page(request: PageRequest): HttpAnswer | null
  fault(error: unknown): void
}

const json = (status: string, body: Record<string, unknown>): HttpAnswer => ({
  status,
  type: 'application/json; charset=utf-8',
  body: `${JSON.stringify(body)}\n`,
})

/** Nothing of an answer is to run, to be framed, or to be a part of another site's page. The playground's own policy comes over it. */
const common = {
  'X-Content-Type-Options': 'nosniff',
  'X-Frame-Options': 'DENY',
  'Referrer-Policy': 'no-referrer',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Content-Security-Policy':
    "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
} as const

/** Browsers come with TLS for a year from then on. Not for names below this one, which are somebody else's to decide on. */
const transportSecurity = { 'Strict-Transport-Security': 'max-age=31536000' } as const

type Headers = Readonly<Record<string, string>>

const write = (res: HttpResponse, answer: HttpAnswer, more: Headers): void => {
  res.cork(() => {
    res.writeStatus(answer.status).writeHeader('Content-Type', answer.type)
    const headers = { ...common, ...more, ...answer.headers }
    for (const [name, value] of Object.entries(headers)) res.writeHeader(name, value)
    res.end(answer.body)
  })
}

/** Registers the routes. To be called after the WebSocket routes. */
export const registerHttp = (app: TemplatedApp, handlers: HttpHandlers, audience: HttpAudience): void => {
  const always: Headers = audience.isSecure ? transportSecurity : {}
  const given = (res: HttpResponse, answer: HttpAnswer): void => write(res, answer, always)
  /** Lets pages of other origins read the answer. Never with credentials: there are none, and cookies mean nothing here. */
  const shared = (req: HttpRequest, allows: (origin: string) => boolean): Headers => {
    const origin = req.getHeader('origin')
    return origin !== '' && allows(origin)
      ? { ...always, 'Access-Control-Allow-Origin': origin, Vary: 'Origin' }
      : { ...always, Vary: 'Origin' }
  }
  const later = (res: HttpResponse, headers: Headers, answer: () => Promise<HttpAnswer>): void => {
    let aborted = false
    res.onAborted(() => {
      aborted = true
    })
    answer().then(
      (ready) => {
        if (!aborted) write(res, ready, headers)
      },
      (error: unknown) => {
        handlers.fault(error)
        if (!aborted) write(res, json('500 Internal Server Error', { error: 'internal' }), headers)
      },
    )
  }
  app.get('/healthz', (res, req) =>
    write(res, json('200 OK', { status: 'ok' }), shared(req, audience.allows)),
  )
  app.get('/readyz', (res, req) =>
    later(res, shared(req, audience.allows), async () => {
      const { ok, body } = await handlers.ready()
      return json(ok ? '200 OK' : '503 Service Unavailable', body)
    }),
  )
  app.get('/metrics', (res, req) =>
    later(res, shared(req, audience.lists), async () => ({
      status: '200 OK',
      type: 'text/plain; version=0.0.4; charset=utf-8',
      body: await handlers.metrics(),
    })),
  )
  app.get('/*', (res: HttpResponse, req: HttpRequest) => {
    const path = req.getUrl()
    const answer = handlers.page({
      path,
      ifNoneMatch: req.getHeader('if-none-match'),
      acceptsGzip: /\bgzip\b/.test(req.getHeader('accept-encoding')),
    })
    given(res, answer ?? json('404 Not Found', { error: 'not_found', path: path.slice(0, 200) }))
  })
  app.options('/*', (res, req) => {
    const headers = shared(req, req.getUrl() === '/metrics' ? audience.lists : audience.allows)
    if (!('Access-Control-Allow-Origin' in headers)) {
      write(res, json('403 Forbidden', { error: 'origin_not_allowed' }), headers)
      return
    }
    const preflight = {
      'Access-Control-Allow-Methods': 'GET',
      'Access-Control-Allow-Headers': 'Authorization, Content-Type',
      'Access-Control-Max-Age': '600',
    }
    write(res, json('200 OK', {}), { ...headers, ...preflight })
  })
  app.any('/*', (res) => given(res, json('405 Method Not Allowed', { error: 'method_not_allowed' })))
}
