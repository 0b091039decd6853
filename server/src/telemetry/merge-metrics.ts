/** The metrics of one of several processes, in the Prometheus text format. */
export interface ProcessMetrics {
  /** From 1. */
  readonly process: number
  readonly text: string
}

/**
 * The metrics of several processes as one page: every sample gets a label `process`. Nothing is added up: Prometheus does that
 * (`sum without (process)`), and sees there which counter began at 0 again because its process did. A sum made here would
 * fall at that moment, and `rate` would take all that is left for new.
 */
export const mergeMetrics = (parts: readonly ProcessMetrics[]): string => {
  // The format wants the samples of a metric in one group.
  const families = new Map<string, { readonly head: string[]; readonly samples: string[] }>()
  for (const { process, text } of parts) {
    let family = { head: [] as string[], samples: [] as string[] }
    let first = true
    for (const line of text.split('\n')) {
      if (line === '') continue
      const name = /^# HELP (\S+)/.exec(line)?.[1]
      if (name !== undefined) {
        const known = families.get(name)
        first = known === undefined
        family = known ?? { head: [], samples: [] }
        if (first) families.set(name, family)
      }
      if (!line.startsWith('#')) family.samples.push(labelled(line, process))
      else if (first) family.head.push(line)
    }
  }
  return [...families.values()].flatMap(({ head, samples }) => [...head, ...samples, '']).join('\n')
}

const labelled = (sample: string, process: number): string => {
  // `weft_process_info` has the label already.
  if (/[{,]process="/.test(sample)) return sample
  const end = sample.search(/[{ ]/)
  const [name, rest] = [sample.slice(0, end), sample.slice(end)]
  return rest.startsWith('{')
    ? `${name}{process="${process}",${rest.slice(1)}`
    : `${name}{process="${process}"}${rest}`
}
