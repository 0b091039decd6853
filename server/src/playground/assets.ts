/** A file of the playground. */
export interface PlaygroundAsset {
  readonly body: Buffer
  readonly contentType: string
  readonly etag: string
}

/** The policy that the page is served with. */
export const playgroundCsp = "default-src 'self'"

/** Reads the built page. */
export const loadPlayground = (): Map<string, PlaygroundAsset> => new Map()
