import fc from 'fast-check'
import { pino } from 'pino'
import postgresJs from 'postgres'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { createServer, MemoryBus, type WeftServer } from '../index.js'
import { HocuspocusClients } from '../testing/hocuspocus-clients.js'
import { startPostgres, until, type TestPostgres } from '../testing/index.js'
import { makeToken, testSecret } from '../testing/tokens.js'
import { WeftBot, type BotRoom } from '../testing/weft-bot.js'
import { YjsRaw } from '../testing/yjs-raw.js'

/* Tenants on two nodes with the same rooms, users and client ids: nothing crosses, and nobody is told of another's rooms. */

const tenants = ['red', 'blue', ''] as const
const clientId = new Uint8Array(16).fill(7)
/** The id that everybody shows presence under. */
const presenceId = 77

let postgres: TestPostgres
let databaseUrl: string
const nodes: WeftServer[] = []
let bots: WeftBot[] = []
let stocks: YjsRaw[] = []
let providers: HocuspocusClients[] = []

beforeAll(async () => {
  postgres = await startPostgres()
  databaseUrl = await postgres.createDatabase()
  const bus = new MemoryBus()
  for (const node of ['one', 'two']) {
    nodes.push(
      await createServer({
        port: 0,
        host: '127.0.0.1',
        databaseUrl,
        jwtSecret: testSecret,
        metricsTenants: 2,
        bus: bus.connect(node),
        logger: pino({ level: 'silent' }),
      }),
    )
  }
})

afterEach(() => {
  for (const bot of bots) bot.terminate()
  for (const stock of stocks) stock.terminate()
  for (const clients of providers) clients.destroy()
  bots = []
  stocks = []
  providers = []
})

afterAll(async () => {
  for (const node of nodes) await node.close()
  await postgres.dispose()
})

const wsUrl = (node: number): string => (nodes[node]?.url ?? '').replace('http', 'ws')
const tokenOf = (tenant: string): Promise<string> =>
  makeToken({ '*': 'write' }, { user: 'ada', ...(tenant === '' ? {} : { tenant }) })

const openBot = async (node: number, tenant: string, id = clientId): Promise<WeftBot> => {
  const bot = await WeftBot.open(wsUrl(node), { token: await tokenOf(tenant), clientId: id })
  bots.push(bot)
  return bot
}

const openStock = async (node: number, tenant: string, name: string): Promise<YjsRaw> => {
  const stock = await YjsRaw.open(wsUrl(node), `${name}?token=${await tokenOf(tenant)}`)
  stocks.push(stock)
  return stock
}

const openProvider = async (node: number, tenant: string, name: string) => {
  const clients = new HocuspocusClients(`${wsUrl(node)}/hocuspocus`, await tokenOf(tenant))
  providers.push(clients)
  return await clients.open(name).synced()
}

/** What somebody of a tenant writes: it says whose it is. */
const mark = (tenant: string, text: string): string => `[${tenant}:${text}]`
/** The tenants named in something. */
const named = (content: string): string[] =>
  [...new Set([...content.matchAll(/\[(\w*):/g)].map(([, tenant]) => tenant ?? ''))].sort()

type Step = {
  readonly tenant: number
  readonly node: number
  readonly by: 'weft' | 'yjs' | 'hocuspocus' | 'message' | 'broadcast' | 'presence'
}
const anyStep: fc.Arbitrary<Step> = fc.record({
  tenant: fc.nat(tenants.length - 1),
  node: fc.nat(1),
  by: fc.constantFrom('weft', 'yjs', 'hocuspocus', 'message', 'broadcast', 'presence'),
})

/** Everybody of one tenant in one room, on both nodes and all dialects. */
class Crowd {
  readonly rooms: BotRoom[] = []
  readonly stocks: YjsRaw[] = []
  readonly providers: Awaited<ReturnType<typeof openProvider>>[] = []
  readonly tenant: string
  written = 0
  private clock = 0

  constructor(tenant: string) {
    this.tenant = tenant
  }

  async join(name: string): Promise<this> {
    for (const node of [0, 1]) {
      const id = node === 0 ? clientId : new Uint8Array(16).fill(8)
      this.rooms.push(await (await openBot(node, this.tenant, id)).join(name))
      this.stocks.push(await openStock(node, this.tenant, name))
      this.providers.push(await openProvider(node, this.tenant, name))
    }
    return this
  }

  do({ node, by }: Step): void {
    const text = mark(this.tenant, String(this.written))
    const room = this.rooms[node]
    if (by === 'weft') room?.type(text)
    else if (by === 'yjs') this.stocks[node]?.type(text)
    else if (by === 'hocuspocus') this.providers[node]?.type(text)
    else if (by === 'message') room?.append('say', text)
    else if (by === 'broadcast')
      room?.bot.send({ type: 'broadcast', room: room.number, name: text, payload: new Uint8Array([192]) })
    else room?.show(presenceId + node, ++this.clock, { at: text })
    if (by === 'weft' || by === 'yjs' || by === 'hocuspocus') this.written++
  }

  /** The documents of all, and whatever else was heard. */
  get documents(): string[] {
    return [
      ...this.rooms.map(({ text }) => text),
      ...this.stocks.map(({ text }) => text),
      ...this.providers.map(({ content }) => content),
    ]
  }

  get heard(): string {
    const frames = this.rooms.flatMap(({ bot }) => bot.frames)
    return [
      ...this.documents,
      ...this.rooms.map(({ messages, presence }) => JSON.stringify([messages, [...presence]])),
      ...frames.map((frame) => (frame.type === 'broadcasted' ? frame.name : '')),
      ...this.stocks.map(({ presence }) => JSON.stringify([...presence])),
    ].join()
  }
}

test('I7, property: whatever tenants do in rooms of the same name as the same users with the same ids, nothing crosses', async () => {
  let round = 0
  await fc.assert(
    fc.asyncProperty(fc.array(anyStep, { minLength: 10, maxLength: 40, size: 'max' }), async (steps) => {
      const name = `same-${round++}`
      const crowds: Crowd[] = []
      for (const tenant of tenants) crowds.push(await new Crowd(tenant).join(name))
      for (const step of steps) crowds[step.tenant]?.do(step)
      for (const crowd of crowds) {
        const whole = (content: string): boolean => content.split('[').length - 1 === crowd.written
        await until(() => crowd.documents.every(whole), 'everybody has what their own tenant wrote')
        await Promise.all(crowd.rooms.map(({ bot }) => bot.flush()))
      }
      for (const crowd of crowds) {
        const others = named(crowd.heard).filter((tenant) => tenant !== crowd.tenant)
        expect(others, `what the tenant "${crowd.tenant}" has heard of others`).toEqual([])
        const [room] = crowd.rooms
        const history = JSON.stringify(
          (await room?.history())?.events.map(({ payload }) => Buffer.from(payload).toString()),
        )
        expect(named(history).filter((tenant) => tenant !== crowd.tenant)).toEqual([])
      }
      for (const bot of bots) bot.terminate()
      for (const stock of stocks) stock.terminate()
      for (const clients of providers) clients.destroy()
    }),
    { numRuns: 4 },
  )
})

test('P46 to P49: control of a tenant reaches its own rooms and users alone, on every node', async () => {
  const crowds: Crowd[] = []
  for (const tenant of ['red', 'blue']) crowds.push(await new Crowd(tenant).join('controlled'))
  const [red, blue] = crowds
  if (red === undefined || blue === undefined) throw new Error('nobody there')
  blue.do({ tenant: 1, node: 0, by: 'weft' })
  await blue.rooms[0]?.saved()
  const control = nodes[0]?.control
  await control?.grant('ada', 'controlled', 'read', 'red')
  control?.closeRoom('controlled', 'red')
  expect(await control?.deleteRoom('controlled', 'red')).toBe(true)
  await control?.disconnectUser('ada', true, 'red')
  for (const { bot } of red.rooms) expect((await bot.closed).code).toBe(4403)
  for (const stock of red.stocks) expect((await stock.closed).code).toBeGreaterThanOrEqual(4400)
  for (const { bot, number } of blue.rooms) {
    await bot.flush()
    expect(bot.frames.filter(({ type }) => type === 'left' || type === 'error')).toEqual([])
    expect(number).toBeGreaterThan(0)
  }
  expect(blue.stocks.map(({ isOpen }) => isOpen)).toEqual([true, true])
  blue.do({ tenant: 1, node: 1, by: 'yjs' })
  await until(() => blue.documents.every((text) => text.split('[').length === 3), 'blue writes on')
  expect(await control?.deleteRoom('no such room', 'blue')).toBe(false)
})

test('P8, P12: whether a room of another tenant exists is told by no answer', async () => {
  const owner = await openBot(0, 'red')
  const secret = await owner.join('secret plans')
  secret.type('here')
  await secret.saved()
  const other = await openBot(0, 'blue')
  const [there, nowhere] = [await other.joinOnly('secret plans'), await other.joinOnly('never made')]
  const shape = ({ access, head }: typeof there): unknown => ({ access, head })
  expect(shape(there)).toEqual(shape(nowhere))
  const limited = await WeftBot.open(wsUrl(0), {
    token: await makeToken({ mine: 'write' }, { user: 'eve', tenant: 'blue' }),
  })
  bots.push(limited)
  const refusals = [await limited.joinRefused('secret plans'), await limited.joinRefused('never made')]
  expect(new Set(refusals.map(({ code, message }) => `${code} ${message}`)).size).toBe(1)
})

test('rows belong to a tenant, and the metrics name as many as they may', async () => {
  const sql = postgresJs(databaseUrl, { max: 1 })
  try {
    for (const tenant of tenants) await (await openBot(0, tenant)).join('rows')
    const rows = await sql<{ tenant: string }[]>`select tenant from rooms where name = 'rows' order by tenant`
    expect(rows.map(({ tenant }) => tenant)).toEqual(['', 'blue', 'red'])
  } finally {
    await sql.end()
  }
  const metrics = (await nodes[0]?.metrics()) ?? ''
  const series = metrics.split('\n').filter((line) => line.startsWith('weft_tenant_rooms{'))
  expect(series).toHaveLength(3)
  expect(series.filter((line) => line.includes('others="true"'))).toHaveLength(1)
})
