import { fork } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, readdir, rename, rm } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { join } from 'node:path'
import { workerUrl } from '../worker-url.js'

/** initdb in WebAssembly takes about 2 s; slow disks and CPUs take longer. */
const timeoutMs = 60_000
const maxErrorBytes = 4096
const unfinished = 'pg-unfinished-'

/**
 * Makes the embedded database's files, unless they are there. In a process of its own: what initdb takes in WebAssembly, some
 * 500 MB, would stay with this one. In a folder of its own until it is done: a start that is killed has left no half of a database.
 * @param dataDir the folder that holds the database's
 * @param name the database's folder in it
 * @throws {Error} with what initdb said
 */
export async function initDatabase(dataDir: string, name: string): Promise<void> {
  for (const entry of await readdir(dataDir)) {
    if (entry.startsWith(unfinished)) await rm(join(dataDir, entry), { recursive: true, force: true })
  }
  const target = join(dataDir, name)
  if (existsSync(target)) return
  const folder = await mkdtemp(join(dataDir, unfinished))
  try {
    await run(join(folder, name))
    await rename(join(folder, name), target)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

async function run(folder: string): Promise<void> {
  const script = fileURLToPath(workerUrl('./initdb-process.js', import.meta.url))
  // Flags for this process (--input-type, --inspect) are not for that one.
  const child = fork(script, [folder], { execArgv: [], stdio: ['ignore', 'ignore', 'pipe', 'ipc'] })
  let said = ''
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (said = (said + text).slice(-maxErrorBytes)))
  const timer = setTimeout(() => child.kill('SIGKILL'), timeoutMs)
  try {
    await new Promise<void>((resolve, reject) => {
      child.once('error', reject)
      child.once('close', (code, signal) => {
        if (code === 0) resolve()
        else reject(new Error(said.trim() || `initdb ended with ${signal ?? code}`))
      })
    })
  } finally {
    clearTimeout(timer)
  }
}
