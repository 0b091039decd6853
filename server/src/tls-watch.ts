import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import type { Config } from './config.js'
import { checkTls } from './tls.js'

/** How often the files are looked at, in milliseconds. They are read: mounted secrets are links that change what they name. */
const lookMs = 5_000

export interface TlsWatchEvents {
  /** The files hold another certificate, and it is good. @throws when it could not be taken: it is tried again */
  changed(): Promise<void>
  /** What is in the files now is no good, or was not taken. Told once for each content. */
  refused(error: unknown): void
}

/** Sees that the files of TLS change. A certificate is often there before its key: what does not fit yet is looked at again. */
export class TlsWatch {
  private readonly files: Pick<Config, 'tlsCertFile' | 'tlsKeyFile'>
  private readonly events: TlsWatchEvents
  private readonly timer: NodeJS.Timeout
  private inUse: string
  private refused: string | null = null
  private looking = false

  private constructor(files: TlsWatch['files'], inUse: string, events: TlsWatchEvents, ms: number) {
    this.files = files
    this.inUse = inUse
    this.events = events
    this.timer = setInterval(() => void this.look(), ms)
    this.timer.unref()
  }

  /** @returns null without TLS */
  static async start(
    files: TlsWatch['files'],
    events: TlsWatchEvents,
    ms = lookMs,
  ): Promise<TlsWatch | null> {
    const inUse = await contentOf(files)
    return inUse === null ? null : new TlsWatch(files, inUse, events, ms)
  }

  close(): void {
    clearInterval(this.timer)
  }

  private async look(): Promise<void> {
    if (this.looking) return
    this.looking = true
    let content: string | null = null
    try {
      content = await contentOf(this.files)
      if (content !== null && content !== this.inUse) {
        checkTls(this.files)
        await this.events.changed()
        this.inUse = content
        this.refused = null
      }
    } catch (error) {
      const what = content ?? 'unreadable'
      if (this.refused !== what) this.events.refused(error)
      this.refused = what
    } finally {
      this.looking = false
    }
  }
}

const contentOf = async ({ tlsCertFile, tlsKeyFile }: TlsWatch['files']): Promise<string | null> => {
  if (tlsCertFile === undefined || tlsKeyFile === undefined) return null
  const hash = createHash('sha256')
  for (const file of [tlsCertFile, tlsKeyFile]) hash.update(await readFile(file)).update('\0')
  return hash.digest('hex')
}
