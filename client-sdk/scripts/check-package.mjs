/*
 * What would be published, checked as a stranger gets it: packed, looked at by publint and are-the-types-wrong, installed
 * into an empty folder, and run against a real server from there.
 */
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { manifest, modules, root } from './exports.mjs'

const folders = ['protocol', 'client-sdk']
const licenses = ['MIT', 'ISC', 'BSD-2-Clause', 'BSD-3-Clause', 'Apache-2.0', '0BSD']
/** The packages that come with `npm install @weft/client yjs`. A new one is a decision: name it here. */
const shipped = ['@weft/client', '@weft/protocol', 'isomorphic.js', 'lib0', 'y-protocols', 'yjs']

const run = (command, args, cwd) => {
  try {
    return execFileSync(command, args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] })
  } catch (failure) {
    console.error(failure.stdout)
    throw failure
  }
}
const bin = (name) => join(root, 'node_modules/.bin', name)

const pack = (folder, into) => {
  const [{ filename, files }] = JSON.parse(
    run('npm', ['pack', '--json', '--pack-destination', into], join(root, folder)),
  )
  const stray = files.filter(({ path }) => /\.test\.|\btesting\b|tsbuildinfo|^src\/.*\.test/.test(path))
  if (stray.length > 0) throw new Error(`${folder} would publish ${stray.map(({ path }) => path).join(', ')}`)
  for (const path of ['LICENSE', 'README.md'])
    if (!files.some((file) => file.path === path)) throw new Error(`${folder} would publish no ${path}`)
  // Source maps that lead nowhere make every debugger complain.
  if (files.some(({ path }) => path.endsWith('.map')) && !files.some(({ path }) => path.startsWith('src/')))
    throw new Error(`${folder} would publish source maps without their sources`)
  const tarball = join(into, filename)
  console.log(`${folder}: ${files.length} files`)
  console.log(run(bin('publint'), ['run', tarball, '--strict', '--pack=false']).trim())
  const data = Object.entries(manifest(folder).exports).filter(([, target]) => typeof target === 'string')
  const without = data.length > 0 ? ['--exclude-entrypoints', ...data.map(([path]) => path)] : []
  console.log(run(bin('attw'), [tarball, '--profile', 'esm-only', '--no-emoji', '-f', 'ascii', ...without]))
  return tarball
}

/** Checks the packages of a folder's node_modules by name and license. */
const checkLicenses = (folder) => {
  const found = readdirSync(join(folder, 'node_modules'), { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && !entry.name.startsWith('.'))
    .flatMap(({ name }) =>
      name.startsWith('@')
        ? readdirSync(join(folder, 'node_modules', name)).map((inner) => `${name}/${inner}`)
        : [name],
    )
  for (const name of found) {
    const { version, license } = JSON.parse(
      readFileSync(join(folder, 'node_modules', name, 'package.json'), 'utf8'),
    )
    console.log(`  ${name} ${version}: ${license}`)
    if (!licenses.includes(license)) throw new Error(`${name} has the license ${license}`)
    if (!shipped.includes(name)) throw new Error(`${name} is new among what the SDK ships`)
  }
}

const program = `
import { createClient } from '@weft/client'
import { PROTOCOL_VERSION } from '@weft/protocol'
import { WebSocket } from 'ws'

const open = () => {
  const client = createClient({ url: process.argv[2], WebSocket })
  return { client, room: client.room('package/check') }
}
const a = open()
await a.room.synced()
a.room.doc.getText('body').insert(0, 'packed')
const { seq } = await a.room.events.append('comment', { text: 'hello' })
await a.room.saved()
const b = open()
await b.room.synced()
const { events } = await b.room.events.history()
const seen = [b.room.doc.getText('body').toString(), events[0].payload.text, events[0].seq === seq, PROTOCOL_VERSION]
a.client.close()
b.client.close()
console.log(JSON.stringify(seen))
`

/** The same as an application in TypeScript sees it, without skipLibCheck: the declarations must stand alone. */
const typed = `
import { createClient, type Client, type Room } from '@weft/client'
const client: Client = createClient({ url: 'ws://localhost' })
const room: Room<{ name: string }, { comment: { text: string } }> = client.room('a')
void room.events.append('comment', { text: 'hello' })
// @ts-expect-error -- not the payload of a comment
void room.events.append('comment', { txt: 'hello' })
`

const startServer = async (dataDir) => {
  const server = spawn(process.execPath, [join(root, 'server/dist/main.js'), 'start'], {
    env: { ...process.env, PORT: '0', DATA_DIR: dataDir },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  for await (const line of createInterface({ input: server.stdout })) {
    const url = /^Playground: (\S+)/.exec(line)?.[1]
    if (url === undefined) continue
    server.stdout.resume()
    return { server, url }
  }
  throw new Error('the server did not start')
}

const work = mkdtempSync(join(tmpdir(), 'weft-package-'))
try {
  const tarballs = folders.map((folder) => pack(folder, work))
  const app = mkdtempSync(join(work, 'app-'))
  const write = (name, text) => writeFileSync(join(app, name), text)
  write('package.json', JSON.stringify({ name: 'app', private: true, type: 'module' }))
  const install = (...what) =>
    run('npm', ['install', '--no-audit', '--no-fund', '--prefer-offline', '--loglevel=error', ...what], app)
  install(...tarballs, 'yjs@13')
  console.log('What comes with it:')
  checkLicenses(app)

  install('ws@8')
  write('program.js', program)
  const { server, url } = await startServer(join(work, 'data'))
  try {
    const printed = run(process.execPath, ['program.js', url], app).trim()
    if (printed !== JSON.stringify(['packed', 'hello', true, 1]))
      throw new Error(`the program saw ${printed}`)
    console.log('The packed SDK against a real server: fine.')
  } finally {
    const ended = once(server, 'exit')
    server.kill('SIGTERM')
    await ended
  }

  const imports = modules('client-sdk')
  write('app.ts', typed)
  for (const [index, { specifier }] of imports.entries())
    write(`entry${index}.ts`, `import * as entry from '${specifier}'\nvoid entry\n`)
  const peers = Object.keys(manifest('client-sdk').peerDependencies).filter((name) =>
    name.startsWith('react'),
  )
  if (peers.length > 0) install(...peers, ...peers.map((name) => `@types/${name}`))
  for (const resolution of [
    ['--module', 'nodenext', '--moduleResolution', 'nodenext'],
    ['--module', 'esnext', '--moduleResolution', 'bundler'],
  ]) {
    const options = ['--noEmit', '--strict', '--target', 'es2022', '--lib', 'es2023,dom,dom.iterable']
    const files = ['app.ts', ...imports.map((_, index) => `entry${index}.ts`)]
    run(bin('tsc'), [...options, ...resolution, ...files], app)
  }
  console.log(`The packed types of ${imports.map(({ specifier }) => specifier).join(', ')}: fine.`)
} finally {
  rmSync(work, { recursive: true, force: true })
}
