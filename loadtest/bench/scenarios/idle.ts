import { setTimeout as sleep } from 'node:timers/promises'
import type { Bench } from '../bench.js'
import { largeDocument } from '../data/large-document.js'
import { Fleet } from '../load/fleet.js'
import { joinRoom } from '../load/joiner.js'
import { seedRoom } from '../load/seed.js'
import { hello } from '../load/weft-member.js'
import { openFilesLimit, residentBytes } from '../measure/proc.js'
import { type Column, type Goal, type Row, atMost, rowOf } from '../report/result.js'
import type { OwnTarget, Target } from '../servers/target.js'
import { Connection } from '../wire/connection.js'
import { weftPath } from '../wire/weft-wire.js'
import { largeRoom, quiet } from './large-targets.js'
import { type Contender, type Measured, type Scenario, alternate } from './scenario.js'

const columns: readonly Column[] = [
  { key: 'perConnection', label: 'RSS KB/connection', digits: 1 },
  { key: 'ratio', label: 'ratio to bare', digits: 2 },
  { key: 'firstRoom', label: 'first room MB', digits: 1 },
  { key: 'perRoom', label: 'RSS MB/further room', digits: 2 },
  { key: 'rss', label: 'RSS MB', digits: 0 },
]

const membersPerRoom = 50
/** The first connections grow heaps that the later ones then use: they are not counted. */
const warmUp = 1000
const settleMs = 1500

/** As many as one node is to carry; fewer where fewer files may be open. Whole rooms. */
const many = Math.min(20_000, Math.floor((openFilesLimit() - 500) / membersPerRoom) * membersPerRoom)
const manyPoint = `${many} idle, ${membersPerRoom} to a room`
const largeIdle = 'the large document, open and idle'
const inRooms = `idle, ${membersPerRoom} to a room`

/** What connections and rooms cost that do nothing. */
export const idle: Scenario = {
  name: 'idle',
  title: 'memory of idle connections and rooms',
  async run(bench: Bench) {
    const counted = bench.quick ? 2000 : 4000
    const contenders: Contender[] = []
    if (bench.wants('bare')) {
      contenders.push({
        name: 'bare',
        measure: async () => connections(await bench.bare(), counted, joinRooms),
      })
    }
    for (const dialect of ['weft', 'yjs'] as const) {
      const name = dialect === 'weft' ? 'weft' : 'weft-yjs'
      if (!bench.wantsWeft || !bench.wants(name)) continue
      contenders.push({
        name,
        measure: async () => {
          const server = await bench.weft()
          return connections({ ...server[dialect], stop: server.stop }, counted, joinRooms)
        },
      })
    }
    for (const name of bench.peers) {
      contenders.push({
        name,
        measure: async () => connections(await bench.peer(name), counted, joinRooms),
      })
    }
    const rows = await alternate(bench, inRooms, contenders, 'perConnection')
    if (bench.wantsWeft) {
      rows.push(
        ...(await alternate(bench, 'idle, in no room', [
          {
            name: 'weft',
            measure: async () => {
              const server = await bench.weft()
              return connections({ ...server.weft, stop: server.stop }, counted, sayHello)
            },
          },
        ])),
      )
      rows.push(...(await largeIdleRoom(bench)))
      if (!bench.quick && bench.wants('weft')) rows.push(await manyIdle(bench))
    }
    return { scenario: idle.name, title: idle.title, columns, rows, goals: goals(rows), notes: [] }
  },
}

/** Makes connections that stay. @returns ends them */
type Connect = (target: Target, count: number) => Promise<() => void>

const joinRooms: Connect = async (target, count) => {
  const fleet = await Fleet.connect(target, {
    rooms: count / membersPerRoom,
    membersPerRoom,
    writersPerRoom: 0,
  })
  return () => fleet.close()
}

const sayHello: Connect = async (target, count) => {
  const open: Connection[] = []
  const handlers = { message: () => undefined }
  while (open.length < count) {
    const batch = Array.from({ length: 50 }, () =>
      Connection.open({ port: target.port, path: weftPath, handlers }),
    )
    for (const connection of await Promise.all(batch)) {
      connection.send(hello())
      open.push(connection)
    }
  }
  return () => open.forEach((connection) => connection.close())
}

const connections = async (target: OwnTarget, counted: number, connect: Connect): Promise<Measured> => {
  const ends: (() => void)[] = []
  try {
    ends.push(await connect(target, warmUp))
    const before = await settledRss(target)
    ends.push(await connect(target, counted))
    const after = await settledRss(target)
    return { sample: { perConnection: (after - before) / counted / 1000, rss: after / 1e6 } }
  } finally {
    for (const end of ends) end()
    await target.stop()
  }
}

const settledRss = async (target: Target): Promise<number> => {
  await quiet(target, 5000)
  await sleep(settleMs)
  return residentBytes(target.server.pid)
}

/** The many, once: they take as long as all the others. */
const manyIdle = async (bench: Bench): Promise<Row> => {
  bench.log(`${manyPoint}, weft`)
  const server = await bench.weft()
  const target = { ...server.weft, stop: server.stop }
  const { sample } = await connections(target, many - warmUp, joinRooms)
  return rowOf(manyPoint, 'weft', [sample], [])
}

const largeRooms = 17

/**
 * What a room with the large document costs while one client has it open and nobody types. The first such room grows the heaps
 * of the worker that loads it, once for all: it is shown, and not counted.
 */
const largeIdleRoom = async (bench: Bench): Promise<Row[]> => {
  const seeded = await bench.weft()
  const rooms = Array.from({ length: largeRooms }, (_, i) => `${largeRoom} ${i}`)
  for (const room of rooms) await seedRoom(seeded.weft, room, largeDocument())
  await quiet(seeded.weft, 15_000)
  await seeded.stop()
  return alternate(bench, largeIdle, [
    {
      name: 'weft',
      measure: async () => {
        const server = await bench.weft({ data: seeded.data })
        try {
          const open = async (room: string): Promise<number> => {
            await joinRoom({ target: server.weft, room, known: null })
            return settledRss(server.weft)
          }
          const empty = await open('small')
          const sizes: number[] = []
          for (const room of rooms) sizes.push(await open(room))
          const first = sizes[0]!
          const last = sizes[sizes.length - 1]!
          return {
            sample: {
              firstRoom: (first - empty) / 1e6,
              perRoom: (last - first) / (rooms.length - 1) / 1e6,
              rss: last / 1e6,
            },
          }
        } finally {
          await server.stop()
        }
      },
    },
  ])
}

const goals = (rows: readonly Row[]): Goal[] => {
  const row = (point: string, target: string): Row | undefined =>
    rows.find((candidate) => candidate.point === point && candidate.target === target)
  return [
    atMost('weft: KB per idle connection in a room', 6, row(inRooms, 'weft'), 'perConnection'),
    atMost(`weft: KB per connection, ${many} idle`, 6, row(manyPoint, 'weft'), 'perConnection'),
    atMost('weft-yjs: KB per idle connection', 6, row(inRooms, 'weft-yjs'), 'perConnection'),
    atMost('MB of an idle room with the large document', 3, row(largeIdle, 'weft'), 'perRoom'),
  ].filter((goal) => goal !== null)
}
