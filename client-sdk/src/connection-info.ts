import type { ConnectionState } from './connection-states.js'
import { errorOf } from './errors.js'
import type { ConnectionInfo } from './types.js'

/** The public side of a state. @param dateOf the date of a time on the client's clock */
export const connectionInfo = (state: ConnectionState, dateOf: (time: number) => number): ConnectionInfo => {
  switch (state.name) {
    case 'opening':
    case 'greeting':
      return { status: 'connecting' }
    case 'waiting':
    case 'offline': {
      const { name, attempt, delay, until, failure } = state
      const status = name === 'waiting' ? 'reconnecting' : name
      return { status, attempt, delay, at: dateOf(until), reason: errorOf(failure) }
    }
    case 'draining':
      return { status: 'draining', at: dateOf(state.reconnectAt) }
    case 'denied':
      return { status: 'denied', reason: errorOf(state.failure) }
    case 'idle':
    case 'authenticating':
    case 'connected':
    case 'closed':
      return { status: state.name }
  }
}
