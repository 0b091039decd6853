/** The limits that `weft_limited_total` counts by: each with its own answer, see "Limits" in the README. */
export const limitNames = [
  'connections',
  'connections_per_tenant',
  'connections_per_user',
  'connections_per_ip',
  'handshakes_per_ip',
  'rate',
  'document',
  'join_wait',
  'loop_delay',
] as const
export type LimitName = (typeof limitNames)[number]
