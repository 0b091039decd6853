/*
 * Documents and unsent changes that outlive the page: real tabs of a real browser, with its IndexedDB and Web Locks, behind
 * a proxy that cuts them off, against a real server on a real PostgreSQL.
 */
import { createClient } from '@weft/client'
import { describe, expect, test } from 'vitest'
import { OfflineStage } from '../testing/offline-stage.js'
import type { SdkPage } from '../testing/sdk-page.js'
import { until } from '../testing/until.js'

const stage = OfflineStage.use()

describe('what a closed tab has left', () => {
  test('an event that the server refuses is told to whoever opens the room, and what follows it arrives', async () => {
    stage.cutOff()
    const first = await stage.visit()
    await first.append('huge', 'x'.repeat(2_000_000))
    await first.append('small', 'y')
    await first.type('z')
    expect(await first.stored()).toBe(true)
    await first.page.close()

    stage.restore()
    const elsewhere = await stage.visit({ room: `${stage.room}/another` })
    await elsewhere.saved()
    await elsewhere.page.close()
    const second = await stage.visit()
    await second.saved()
    expect(await second.rejected()).toEqual(['too_large'])
    expect((await stage.eventsOf(stage.room)).map(({ name }) => name)).toEqual(['small'])
    expect(await stage.contentOf(stage.room)).toBe('z')
  })

  test('a seed made offline fills the room once, or not at all when somebody else was faster', async () => {
    stage.cutOff()
    for (const name of [stage.room, `${stage.room}/taken`]) {
      const first = await stage.visit({ room: name })
      await first.seed('seeded')
      expect(await first.stored()).toBe(true)
      await first.page.close()
    }
    const other = createClient({ url: stage.server.wsUrl })
    const taken = other.room(`${stage.room}/taken`)
    expect(await taken.seed((doc) => doc.getText('text').insert(0, 'taken'))).toBe(true)
    other.close()
    stage.restore()
    const [second, third] = [await stage.visit(), await stage.visit({ room: `${stage.room}/taken` })]
    await Promise.all([second.saved(), third.saved()])
    await until(async () => (await second.text()) === 'seeded', 'the seed is in the document')
    expect(await third.text()).toBe('taken')
    expect(await stage.contentOf(stage.room)).toBe('seeded')
    expect(await stage.contentOf(`${stage.room}/taken`)).toBe('taken')
    expect([...(await second.rejected()), ...(await third.rejected())]).toEqual([])
  })

  test('what it left in a room that nobody opens again arrives as well', async () => {
    const first = await stage.visit()
    await first.live()
    stage.cutOff()
    await first.type('left behind')
    expect(await first.stored()).toBe(true)
    await first.page.close()
    stage.restore()
    await stage.visit({ room: `${stage.room}/another` })
    await until(async () => (await stage.contentOf(stage.room)) === 'left behind', 'it has arrived')
  })

  test('a document that was never online is there at the next visit', async () => {
    stage.cutOff()
    const first = await stage.visit()
    await first.type('before the first connection')
    expect(await first.stored()).toBe(true)
    await first.page.close()
    const second = await stage.visit()
    expect(await second.loaded()).toBe(true)
    expect(await second.text()).toBe('before the first connection')
    expect(await second.unsaved()).toBeGreaterThan(0)
    stage.restore()
    await second.saved()
    expect(await stage.contentOf(stage.room)).toBe('before the first connection')
  })

  test('that of another user is not seen, and not sent', async () => {
    stage.cutOff()
    const ada = await stage.visit({ user: 'ada' })
    await ada.type('for Ada alone')
    expect(await ada.stored()).toBe(true)
    await ada.page.close()
    const grace = await stage.visit({ user: 'grace' })
    expect(await grace.loaded()).toBe(false)
    expect(await grace.text()).toBe('')
    expect(await grace.unsaved()).toBe(0)
    stage.restore()
    await grace.live()
    expect(await stage.contentOf(stage.room)).toBe('')
  })
})

describe('a room that was deleted meanwhile', () => {
  test('what was kept is handed to the app by `reset`, and removed (P20)', async () => {
    const first = await stage.visit()
    await first.live()
    await first.type('saved ')
    await first.saved()
    stage.cutOff()
    await first.type('not saved')
    expect(await first.stored()).toBe(true)
    await first.page.close()
    await stage.server.server.control.deleteRoom(stage.room)

    const second = await stage.visit()
    expect(await second.loaded()).toBe(true)
    stage.restore()
    await until(async () => (await second.resets()).length > 0, 'the reset')
    expect(await second.resets()).toEqual([{ previous: 'saved not saved', unsaved: 1 }])
    await second.saved()
    expect(await second.text()).toBe('')
    expect(await second.stored()).toBe(true)
    await second.page.close()
    const third = await stage.visit()
    await third.saved()
    expect(await third.text()).toBe('')
    expect(await third.resets()).toEqual([])
    expect(await stage.contentOf(stage.room)).toBe('')
  })
})

describe('a device that does not take it', () => {
  const goesOn = async (tab: SdkPage): Promise<void> => {
    expect(await tab.stored()).toBe(false)
    expect(await tab.errors()).toEqual(['persistence_failed'])
    await tab.live()
    stage.cutOff()
    await tab.type('in memory')
    expect(await tab.stored()).toBe(false)
    stage.restore()
    await tab.saved()
    expect((await stage.contentOf(stage.room)).endsWith('in memory')).toBe(true)
    expect(await tab.errors()).toEqual(['persistence_failed'])
  }

  test.each([
    ['there is no IndexedDB', `Object.defineProperty(globalThis, 'indexedDB', { value: undefined })`],
    [
      'reading IndexedDB throws',
      `Object.defineProperty(globalThis, 'indexedDB', { get() { throw new DOMException('no', 'SecurityError') } })`,
    ],
    ['there are no Web Locks', `Object.defineProperty(Navigator.prototype, 'locks', { value: undefined })`],
    [
      'the database is of a newer version',
      `{ const open = IDBFactory.prototype.open
         IDBFactory.prototype.open = function (name) { return open.call(this, name, 0.5 * 2e9) }
         indexedDB.open('weft'); IDBFactory.prototype.open = open }`,
    ],
  ])('%s: the SDK says so and goes on in memory', async (_, before) => {
    await goesOn(await stage.visit({ before }))
  })

  test('another tab blocks the database', async () => {
    const [one, two] = [await stage.profile.newPage(), await stage.profile.newPage()]
    for (const page of [one, two]) await page.goto(stage.pages.origin)
    await one.evaluate(`new Promise((resolve) => (indexedDB.open('weft').onsuccess = () => resolve()))`)
    await two.evaluate(
      `new Promise((resolve) => (indexedDB.deleteDatabase('weft').onblocked = () => resolve()))`,
    )
    await goesOn(await stage.visit({ openTimeout: 200 }))
  })

  test('the disk is full: the SDK says so and goes on in memory', async () => {
    const blank = await stage.profile.newPage()
    await blank.goto(stage.pages.origin)
    const session = await stage.profile.newCDPSession(blank)
    await session.send('Storage.overrideQuotaForOrigin', { origin: stage.pages.origin, quotaSize: 300_000 })
    const tab = await stage.visit()
    await tab.live()
    await tab.type('first ')
    expect(await tab.stored()).toBe(true)
    for (let i = 0; i < 5; i++) await tab.type('x'.repeat(200_000))
    await goesOn(tab)
  })

  test('the database is taken away by a newer version of the app', async () => {
    const tab = await stage.visit()
    await tab.live()
    expect(await tab.stored()).toBe(true)
    await tab.page.evaluate(
      `new Promise((resolve) => { indexedDB.open('weft', 2).onsuccess = ({ target }) => resolve(target.result.close()) })`,
    )
    await tab.type('x')
    await goesOn(tab)
  })

  test('records that cannot be read are removed, and the document comes from the server', async () => {
    const first = await stage.visit()
    await first.live()
    await first.type('at the server')
    await first.saved()
    expect(await first.stored()).toBe(true)
    await first.page.close()

    const damage = await stage.profile.newPage()
    await damage.goto(stage.pages.origin)
    await damage.evaluate(`new Promise((resolve) => {
      indexedDB.open('weft').onsuccess = ({ target: { result: database } }) => {
        const transaction = database.transaction('updates', 'readwrite')
        transaction.objectStore('updates').openCursor().onsuccess = ({ target: { result: cursor } }) => {
          if (cursor === null) return
          cursor.update(new Uint8Array([255, 255, 255, 1]))
          cursor.continue()
        }
        transaction.oncomplete = () => resolve(database.close())
      }
    })`)
    const second = await stage.visit()
    expect(await second.loaded()).toBe(false)
    expect(await second.errors()).toEqual(['persistence_damaged'])
    await second.saved()
    expect(await second.text()).toBe('at the server')
    expect(await second.stored()).toBe(true)
    await second.page.close()
    const third = await stage.visit()
    expect(await third.loaded()).toBe(true)
    expect(await third.text()).toBe('at the server')
    expect(await third.errors()).toEqual([])
  })
})
