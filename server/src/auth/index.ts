/** Who may do what. */
export { createAuthenticator, type AuthOptions } from './jwt.js'
export { withGrant } from './granted.js'
export type { Authenticator, Identity } from './types.js'
