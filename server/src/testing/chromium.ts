import { execFileSync } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'
import { chromium, type Browser } from 'playwright-core'

const names = ['chromium', 'chromium-browser', 'google-chrome-stable', 'google-chrome']

const flags = [
  // Tests run as root in containers, where Chromium's own sandbox does not start.
  '--no-sandbox',
  '--disable-gpu',
  '--disable-dev-shm-usage',
  // Nothing that talks to anybody but the server under test.
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--no-first-run',
]

/**
 * Starts the Chromium of this machine. Where there is none and the tests run as root on a Debian, it is installed.
 * @throws {Error} that says how to install it
 */
export const launchChromium = async (): Promise<Browser> =>
  await chromium.launch({ executablePath: findChromium() ?? installChromium(), args: flags })

const findChromium = (): string | null => {
  for (const folder of (process.env['PATH'] ?? '').split(delimiter)) {
    for (const name of names) {
      const path = join(folder, name)
      try {
        accessSync(path, constants.X_OK)
        return path
      } catch {
        // Not here.
      }
    }
  }
  return null
}

const installChromium = (): string => {
  let reason: unknown = 'the tests do not run as root'
  if (process.getuid?.() === 0) {
    try {
      const options = { stdio: 'ignore', env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' } } as const
      execFileSync('apt-get', ['update'], options)
      execFileSync('apt-get', ['install', '-y', '--no-install-recommends', 'chromium'], options)
    } catch (error) {
      reason = error
    }
    const path = findChromium()
    if (path !== null) return path
  }
  throw new Error('The browser tests need Chromium on the PATH: `apt-get install chromium` on Debian.', {
    cause: reason,
  })
}
