/** Reads Prometheus text: each sample's name, with its labels, to its value. */
export const parseMetrics = (text: string): Map<string, number> => {
  const samples = new Map<string, number>()
  for (const line of text.split('\n')) {
    const match = /^([a-zA-Z_:][\w:]*(?:\{[^}]*\})?)\s+(\S+)/.exec(line)
    if (match) samples.set(match[1]!, Number(match[2]))
  }
  return samples
}

/** What a server's `/metrics` says now. Rejects when it does not answer. */
export const scrape = async (port: number): Promise<Map<string, number>> => {
  const response = await fetch(`http://127.0.0.1:${port}/metrics`, { signal: AbortSignal.timeout(5000) })
  return parseMetrics(await response.text())
}

/** How late a server's event loop was since it was last asked, in ms. */
export interface LoopDelay {
  readonly p99: number
  readonly max: number
}

/** @returns null when the server does not tell */
export const loopDelay = async (port: number): Promise<LoopDelay | null> => {
  try {
    const samples = await scrape(port)
    const ms = (quantile: string): number =>
      (samples.get(`weft_event_loop_delay_seconds{quantile="${quantile}"}`) ?? NaN) * 1000
    const delay = { p99: ms('0.99'), max: ms('1') }
    return Number.isNaN(delay.max) ? null : delay
  } catch {
    return null
  }
}

/** The longest of {@link loopDelay}, in ms. */
export const loopDelayMaxMs = async (port: number): Promise<number | null> =>
  (await loopDelay(port))?.max ?? null
