/** Who may do what. */
export { Authority } from './authority.js'
export { authorizeByUrl } from './authorize-url.js'
export { Authorizer, type Authorize, type AuthorizeAnswer, type AuthorizeRequest } from './authorizer.js'
export { createAuthenticator, type AuthOptions } from './jwt.js'
export { secretsOf } from './keys.js'
export {
  accessOf,
  grantText,
  mayAll,
  parseGrantText,
  permissionNames,
  readPermissions,
  type Permission,
  type Permissions,
} from './permissions.js'
export { Revocations, type Revocation } from './revocations.js'
export type { Authenticator, Identity } from './types.js'
