/** The Weft server as a library. */
export { MemoryBus, type Bus, type BusMessage } from './bus/index.js'
export type { Authorize, AuthorizeAnswer, AuthorizeRequest, Permission } from './auth/index.js'
export { ConfigError, settings, type Config, type LogLevel, type Setting } from './config.js'
export type { Control } from './control.js'
export type { Readiness } from './readiness.js'
export { createServer, type ServerOptions, type WeftServer } from './server.js'
export { ShutdownError } from './shutdown.js'
export { StoreStartError } from './store/index.js'
