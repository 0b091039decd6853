/** Logs and metrics. */
export { createLogger, type Logger } from './logger.js'
export { Metrics, type MetricSources } from './metrics.js'
export { mergeMetrics, type ProcessMetrics } from './merge-metrics.js'
