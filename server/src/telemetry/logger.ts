import { pino, type Logger } from 'pino'
import pretty from 'pino-pretty'
import type { LogLevel } from '../config.js'

export type { Logger } from 'pino'

/** JSON lines on stdout; readable ones on a terminal. */
export const createLogger = (level: LogLevel): Logger =>
  process.stdout.isTTY
    ? pino({ level }, pretty({ ignore: 'pid,hostname', translateTime: 'HH:MM:ss.l', sync: true }))
    : pino({ level, base: { pid: process.pid } })
