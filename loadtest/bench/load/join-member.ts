import type { Target } from '../servers/target.js'
import type { Member, MemberOptions } from './member.js'
import { joinAsWeft } from './weft-member.js'
import { joinAsYjs } from './yjs-member.js'

/** Joins a room in the wire that the target speaks. */
export const joinMember = (target: Target, options: MemberOptions): Promise<Member> =>
  target.dialect === 'weft' ? joinAsWeft(options) : joinAsYjs(options, target.dialect, target.syncs)
