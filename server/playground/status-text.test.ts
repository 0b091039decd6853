import { describe, expect, test } from 'vitest'
import { connectionLine, latencyText, refusalText, savedLine, savingGraceMs } from './status-text.js'

const calm = { unsaved: 0, unsavedFor: 0, synced: true, refused: false, access: 'write' as const }

describe('the saved line', () => {
  test('says that all is saved only when nothing is under way and the content is here', () => {
    expect(savedLine(calm)).toEqual({ tone: 'good', text: 'All changes saved' })
    expect(savedLine({ ...calm, synced: false }).text).toBe('Opening the room')
    expect(savedLine({ ...calm, synced: false, refused: true })).toEqual({ tone: 'bad', text: 'Not opened' })
    for (const unsavedFor of [0, savingGraceMs, 1e6]) {
      for (const synced of [true, false]) {
        expect(savedLine({ ...calm, unsaved: 1, unsavedFor, synced }).tone).not.toBe('good')
      }
    }
  })

  test('counts what is unsaved once that lasts', () => {
    expect(savedLine({ ...calm, unsaved: 3, unsavedFor: savingGraceMs - 1 }).text).toBe('Saving')
    expect(savedLine({ ...calm, unsaved: 3, unsavedFor: savingGraceMs }).text).toBe('3 unsaved')
    expect(savedLine({ ...calm, unsaved: 3, unsavedFor: savingGraceMs, refused: true }).tone).toBe('bad')
  })

  test('tells readers that they read', () => {
    expect(savedLine({ ...calm, access: 'read' }).text).toBe('View only')
  })
})

describe('the connection line', () => {
  test('is good only in a room that is live', () => {
    expect(connectionLine({ status: 'connected' }, 'live')).toEqual({ tone: 'good', text: 'Connected' })
    for (const room of ['offline', 'joining', 'syncing', 'denied', 'left'] as const) {
      expect(connectionLine({ status: 'connected' }, room).tone, room).not.toBe('good')
    }
    for (const status of ['idle', 'connecting', 'authenticating', 'closed'] as const) {
      expect(connectionLine({ status }, 'live').tone, status).not.toBe('good')
    }
  })
})

test('latency is whole milliseconds', () => {
  expect([null, 0.2, 1.4, 99.6].map(latencyText)).toEqual(['', '<1 ms', '1 ms', '100 ms'])
})

test('a refusal that a token may mend asks for one', () => {
  const asks = (code: string): boolean => refusalText(code, 'because', 'design/42').asksForToken
  expect(['unauthorized', 'token_expired', 'forbidden'].map(asks)).toEqual([true, true, true])
  expect(['invalid_room_name', 'room_deleted', 'unsupported_version', 'moonphase'].map(asks)).not.toContain(
    true,
  )
  expect(refusalText('moonphase', 'because', 'r').text).toBe('because')
})
