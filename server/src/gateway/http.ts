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

const common = { 'X-Content-Type-Options': 'nosniff', 'Referrer-Policy': 'no-referrer' } as const

const write = (res: HttpResponse, answer: HttpAnswer): void => {
  res.cork(() => {
    res.writeStatus(answer.status).writeHeader('Content-Type', answer.type)
    for (const [name, value] of Object.entries({ ...common, ...answer.headers })) res.writeHeader(name, value)
    res.end(answer.body)
  })
}

/** Registers the routes. To be called after the WebSocket routes. */
export const registerHttp = (app: TemplatedApp, handlers: HttpHandlers): void => {
  const later = (res: HttpResponse, answer: () => Promise<HttpAnswer>): void => {
    let aborted = false
    res.onAborted(() => {
      aborted = true
    })
    answer().then(
      (given) => {
        if (!aborted) write(res, given)
      },
      (error: unknown) => {
        handlers.fault(error)
        if (!aborted) write(res, json('500 Internal Server Error', { error: 'internal' }))
      },
    )
  }
  app.get('/healthz', (res) => write(res, json('200 OK', { status: 'ok' })))
  app.get('/readyz', (res) =>
    later(res, async () => {
      const { ok, body } = await handlers.ready()
      return json(ok ? '200 OK' : '503 Service Unavailable', body)
    }),
  )
  app.get('/metrics', (res) =>
    later(res, async () => ({
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
    write(res, answer ?? json('404 Not Found', { error: 'not_found', path: path.slice(0, 200) }))
  })
  app.any('/*', (res) => write(res, json('405 Method Not Allowed', { error: 'method_not_allowed' })))
}
