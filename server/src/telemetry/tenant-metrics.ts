/*
 * What the metrics tell of tenants. A tenant without a label of its own counts in the sample with `others="true"`: no name of a
 * tenant can be taken for it, and the number of series is bounded.
 */
import { Counter, Gauge, type Registry } from 'prom-client'
import type { TenantSample } from '../tenants/index.js'

type Labels = 'tenant' | 'others'

const labelsOf = ({ tenant }: TenantSample): Partial<Record<Labels, string>> =>
  tenant === null ? { others: 'true' } : { tenant }

export const registerTenantMetrics = (registry: Registry, samples: () => readonly TenantSample[]): void => {
  const options = (name: string, help: string) => ({
    name,
    help: `${help}, by tenant (METRICS_TENANTS)`,
    labelNames: ['tenant', 'others'] as const,
    registers: [registry],
  })
  const gauge = (name: string, help: string, read: (sample: TenantSample) => number): void => {
    const made: Gauge<Labels> = new Gauge({
      ...options(name, help),
      collect: () => {
        for (const sample of samples()) made.set(labelsOf(sample), read(sample))
      },
    })
  }
  const counter = (name: string, help: string, read: (sample: TenantSample) => number): void => {
    const made: Counter<Labels> = new Counter({
      ...options(name, help),
      collect: () => {
        made.reset()
        for (const sample of samples()) made.inc(labelsOf(sample), read(sample))
      },
    })
  }
  gauge('weft_tenant_rooms', 'Open rooms', ({ rooms }) => rooms)
  gauge('weft_tenant_members', 'Sessions in rooms', ({ members }) => members)
  counter('weft_tenant_updates_received_total', 'Updates accepted from clients', ({ updates }) => updates)
  counter(
    'weft_tenant_update_bytes_received_total',
    'Bytes of accepted updates',
    ({ updateBytes }) => updateBytes,
  )
  counter(
    'weft_tenant_refused_total',
    'Joins and changes refused because the node, or the share of the tenant, is full',
    ({ refused }) => refused,
  )
}
