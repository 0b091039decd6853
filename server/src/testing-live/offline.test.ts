/*
 * Documents and unsent changes that outlive the page: real tabs of a real browser, with its IndexedDB and Web Locks, behind
 * a proxy that cuts them off, against a real server on a real PostgreSQL. `offline-faults.test.ts` has the rest.
 */
import { describe, expect, test } from 'vitest'
import { OfflineStage } from '../testing/offline-stage.js'
import { until } from '../testing/until.js'

const stage = OfflineStage.use()

describe('a tab that is closed', () => {
  test('its offline edits are there at the next visit, and arrive once', async () => {
    const first = await stage.visit()
    await first.live()
    await first.type('online ')
    await first.saved()
    stage.cutOff()
    await first.type('offline ')
    await first.type('edits ')
    expect(await first.stored()).toBe(true)
    await first.page.close()

    const second = await stage.visit()
    expect(await second.loaded()).toBe(true)
    expect(await second.text()).toBe('online offline edits ')
    expect(await second.unsaved()).toBeGreaterThan(0)
    await second.type('more')
    stage.restore()
    await second.saved()
    expect(await stage.contentOf(stage.room)).toBe('online offline edits more')

    // Nothing is left to send, and the visit after that resumes where this one has ended.
    expect(await second.stored()).toBe(true)
    await second.page.close()
    const third = await stage.visit()
    expect(await third.loaded()).toBe(true)
    expect(await third.unsaved()).toBe(0)
    await third.live()
    expect(await third.text()).toBe('online offline edits more')
    expect(await third.errors()).toEqual([])
  })

  test('its offline events arrive once, in order with the edits, and `unsaved` counts them until then', async () => {
    const first = await stage.visit()
    await first.live()
    stage.cutOff()
    await first.append('note', 'one')
    await first.type('between')
    await first.append('note', { two: [2, null, 'zwei'] })
    expect(await first.stored()).toBe(true)
    await first.page.close()

    const second = await stage.visit()
    expect(await second.loaded()).toBe(true)
    expect(await second.unsaved()).toBe(3)
    stage.restore()
    await second.saved()
    expect(await second.page.evaluate('weft.room.saved()')).toBe(undefined)
    const events = await stage.eventsOf(stage.room)
    expect(events.map(({ payload }) => payload)).toEqual(['one', { two: [2, null, 'zwei'] }])
    // The edit lies between them in the room's one order (I2).
    expect(events.map(({ seq }) => seq)).toEqual([1, 3])
    expect(await second.seen()).toEqual(events)
    expect(await stage.contentOf(stage.room)).toBe('between')
  })

  test('what was committed and not acknowledged before is not doubled (P27)', async () => {
    const first = await stage.visit()
    await first.live()
    // From here on the server hears the tab, and the tab hears nothing.
    stage.proxy.deafen()
    await first.append('paid', 7)
    await first.type('paid ')
    await until(async () => (await stage.eventsOf(stage.room)).length === 1, 'the event is committed')
    await until(async () => (await stage.contentOf(stage.room)) === 'paid ', 'and so is the edit')
    expect(await first.unsaved()).toBe(2)
    expect(await first.stored()).toBe(true)
    stage.cutOff()
    await first.page.close()

    const second = await stage.visit()
    expect(await second.loaded()).toBe(true)
    expect(await second.unsaved()).toBe(2)
    stage.restore()
    await second.saved()
    await second.append('paid', 8)
    await second.saved()
    expect((await stage.eventsOf(stage.room)).map(({ payload }) => payload)).toEqual([7, 8])
    expect(await stage.contentOf(stage.room)).toBe('paid ')
  })

  test('another tab that is open takes over at once what a crashed tab has left', async () => {
    const [first, second] = [await stage.visit(), await stage.visit()]
    await Promise.all([first.live(), second.live()])
    stage.cutOff()
    await first.type('of the crashed tab')
    expect(await first.stored()).toBe(true)
    expect(await second.unsaved()).toBe(0)
    await first.crash()
    await until(async () => (await second.unsaved()) > 0, 'the other tab counts what it has taken over')
    stage.restore()
    await second.saved()
    await until(async () => (await second.text()) === 'of the crashed tab', 'and sees it')
    expect(await stage.contentOf(stage.room)).toBe('of the crashed tab')
  })
})

describe('several tabs', () => {
  test('that edit one room at once, offline and online, double nothing', async () => {
    const tabs = [await stage.visit(), await stage.visit()]
    await Promise.all(tabs.map((tab) => tab.live()))
    for (const [i, tab] of tabs.entries()) for (const word of ['a', 'b', 'c']) await tab.say(`${word}${i} `)
    await Promise.all(tabs.map((tab) => tab.saved()))
    stage.cutOff()
    for (const [i, tab] of tabs.entries()) for (const word of ['d', 'e', 'f']) await tab.say(`${word}${i} `)
    expect(await Promise.all(tabs.map((tab) => tab.stored()))).toEqual([true, true])
    for (const tab of tabs) await tab.page.close()

    const [third, fourth] = [await stage.visit(), await stage.visit()]
    expect(await third.loaded()).toBe(true)
    await third.say('g2 ')
    stage.restore()
    await third.saved()
    await fourth.saved()
    const words = ['a0', 'a1', 'b0', 'b1', 'c0', 'c1', 'd0', 'd1', 'e0', 'e1', 'f0', 'f1', 'g2']
    await until(
      async () => (await fourth.text()).length === words.join(' ').length + 1,
      'all words are there',
    )
    const content = await stage.contentOf(stage.room)
    expect(content.trim().split(' ').sort()).toEqual(words)
    expect(await third.text()).toBe(content)
    expect(await fourth.text()).toBe(content)
    const events = await stage.eventsOf(stage.room)
    expect(events.map(({ payload }) => payload).sort()).toEqual(words.map((word) => `${word} `))
    // What is older than a tab's first join is history; what came since it has seen, in one order, once.
    const seen = await third.seen()
    expect(seen.length).toBeGreaterThanOrEqual(7)
    expect(seen).toEqual(events.slice(-seen.length))
  })
})
