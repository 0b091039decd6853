/* The application on a server, by both ways of rendering: takes what to render as JSON, and prints the HTML as JSON. */
import { text } from 'node:stream/consumers'
import { PassThrough } from 'node:stream'
import { renderToPipeableStream, renderToString } from 'react-dom/server'
import { createClient } from '../../client.js'
import { App, type Place } from './app.js'

/** What is to be rendered. */
export interface RenderOptions {
  readonly url: string
  readonly place: Place
  readonly name: string
}

/** What each way makes of it. */
export interface Rendered {
  readonly string: string
  readonly stream: string
}

const render = async ({ url, place, name }: RenderOptions): Promise<Rendered> => {
  // On a server nothing is to be connected.
  const client = createClient({ url, autoConnect: false })
  const app = <App client={client} first={place} name={name} />
  const string = renderToString(app)
  const stream = new PassThrough()
  const failed = new Promise<never>((_resolve, reject) => {
    const { pipe } = renderToPipeableStream(app, { onAllReady: () => pipe(stream), onError: reject })
  })
  return { string, stream: await Promise.race([text(stream), failed]) }
}

const [options] = process.argv.slice(2)
// The test has written it.
const rendered = await render(JSON.parse(options ?? '') as RenderOptions)
process.stdout.write(JSON.stringify(rendered))
