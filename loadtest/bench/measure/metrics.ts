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

/**
 * The longest that a server's event loop was late since it was last asked, in ms.
 * @returns null when the server does not tell
 */
export const loopDelayMaxMs = async (port: number): Promise<number | null> => {
  try {
    const seconds = (await scrape(port)).get('weft_event_loop_delay_seconds{quantile="1"}')
    return seconds === undefined ? null : seconds * 1000
  } catch {
    return null
  }
}
