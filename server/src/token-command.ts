/* `weft token`: tokens for development. In production the application's own backend makes them. */
import { Option, type Command } from 'commander'
import { SignJWT } from 'jose'
import { permissionNames, secretsOf } from './auth/index.js'
import { ConfigError } from './config.js'
import { messageOf } from './message-of.js'

/** What a token is to say. */
export interface TokenRequest {
  readonly user: string
  readonly rooms: readonly string[]
  /** What is granted in them: a word, or a list. */
  readonly grant: string | readonly string[]
  readonly name?: string | undefined
  readonly tenant?: string | undefined
  /** Milliseconds from now; null for never. */
  readonly life: number | null
}

const units = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const

/** `90s`, `15m`, `8h`, `7d` or `never`, in milliseconds. @throws {ConfigError} */
export const readLife = (text: string): number | null => {
  if (text === 'never') return null
  const [, number, unit] = /^([1-9]\d{0,8})([smhd])$/.exec(text) ?? []
  if (number === undefined || unit === undefined)
    throw new ConfigError(`--expires must be like 90s, 15m, 8h, 7d or never, and is ${JSON.stringify(text)}.`)
  return Number(number) * units[unit as keyof typeof units]
}

/** A word, or a list of permissions separated by commas. @throws {ConfigError} */
export const readGrant = (text: string): string | string[] => {
  if (text === 'read' || text === 'write' || text === 'admin') return text
  const names = text.split(',').map((name) => name.trim())
  const wrong = names.find((name) => !permissionNames.some((known) => known === name))
  if (wrong === undefined) return names
  throw new ConfigError(
    `--grant is a list of ${permissionNames.join(', ')}, separated by commas, and holds ${JSON.stringify(wrong)}.`,
  )
}

/**
 * Signs a token with the first of the secrets.
 * @throws {ConfigError} without a secret
 */
export const mintToken = async (
  environment: Readonly<Record<string, string | undefined>>,
  { user, rooms, grant, name, tenant, life }: TokenRequest,
): Promise<string> => {
  const setting = environment['JWT_SECRET'] ?? ''
  if (setting === '')
    throw new ConfigError('JWT_SECRET is not set: tokens are signed with it. Set it to what the server has.')
  const secret = firstSecret(setting)
  const { JWT_ISSUER: issuer = '', JWT_AUDIENCE: audience = '' } = environment
  const jwt = new SignJWT({
    rooms: Object.fromEntries(rooms.map((room) => [room, grant])),
    ...(name === undefined ? {} : { name }),
    ...(tenant === undefined ? {} : { tenant }),
  })
    .setProtectedHeader({ alg: 'HS256' })
    .setSubject(user)
    .setIssuedAt()
  if (life !== null) jwt.setExpirationTime(Math.floor((Date.now() + life) / 1000))
  // What the server would ask for.
  if (issuer !== '') jwt.setIssuer(issuer)
  if (audience !== '') jwt.setAudience(audience)
  return await jwt.sign(new TextEncoder().encode(secret))
}

const firstSecret = (setting: string): string | undefined => {
  try {
    return secretsOf(setting)[0]
  } catch (error) {
    throw new ConfigError(messageOf(error), { cause: error })
  }
}

interface Flags {
  readonly user: string
  readonly room: string[]
  readonly write?: true
  readonly admin?: true
  readonly grant?: string
  readonly name?: string
  readonly tenant?: string
  readonly expires: string
}

/** Adds the command. @param orStop runs it, and ends the program with the sentence of an error */
export const addTokenCommand = (
  program: Command,
  orStop: (run: () => Promise<void>) => Promise<void>,
): void => {
  program
    .command('token')
    .description('print a token for development, signed with JWT_SECRET')
    .requiredOption('--user <id>', 'the claim `sub`')
    .option('--room <pattern...>', "rooms: a name, or a start of names and '*'", ['*'])
    .option('--write', 'grant what "write" stands for; without it, and without --grant, what "read" does')
    .addOption(new Option('--admin', 'grant everything').conflicts('write'))
    .addOption(
      new Option('--grant <list>', `grant one by one: ${permissionNames.join(', ')}`).conflicts([
        'write',
        'admin',
      ]),
    )
    .option('--name <name>', 'the claim `name`')
    .option('--tenant <id>', 'the claim `tenant`')
    .option('--expires <time>', 'how long it counts: 90s, 15m, 8h, 7d or never', '1h')
    .action((flags: Flags) =>
      orStop(async () => {
        const { user, room, name, tenant } = flags
        const word = flags.admin === true ? 'admin' : flags.write === true ? 'write' : 'read'
        const grant = flags.grant === undefined ? word : readGrant(flags.grant)
        const life = readLife(flags.expires)
        const token = await mintToken(process.env, { user, rooms: room, grant, name, tenant, life })
        process.stdout.write(`${token}\n`)
      }),
    )
}
