/* A large document is opened by many at once: how long until it is here? */
import { Crowd, clientOf } from '../client/crowd.js'
import { Member } from '../client/member.js'
import { metrics } from '../client/metrics.js'
import {
  type Run,
  common,
  makeRun,
  optionsOf,
  options as settings,
  share,
  thresholds,
  tokenOf,
} from '../client/setup.js'
import { DocumentAuthor } from '../pure/large-document.js'
import { stampLength } from '../pure/stamp.js'

const structs = settings.integer('STRUCTS', 50_000, { min: 1000, max: 1e8 })
const joiners = settings.integer('JOINERS', 50, { min: 1 })
const waves = settings.integer('WAVES', 2, { min: 1 })
const patience = settings.seconds('PATIENCE', '60s')

const pairsPerUpdate = 500
const updates = Math.ceil(structs / (2 * pairsPerUpdate))
const authorId = 0
const author = clientOf(authorId)
/** Its characters alone. */
const leastBytes = updates * 2 * pairsPerUpdate * stampLength
/** Updates that are not acknowledged yet, at most. */
const inFlight = 8

export const options = {
  ...optionsOf(
    (waves + 1) * (patience + joiners / common.joinRate),
    thresholds('weft_update_latency', 'weft_ack_latency'),
  ),
  setupTimeout: `${Math.ceil(patience + updates)}s`,
}

const nameOf = (run: string): string => `load/${run}/large`

/** Writes the document, over the Weft protocol: what is acknowledged is stored. */
export const setup = async (): Promise<Run> => {
  const made = makeRun()
  const crowd = new Crowd()
  const typist = new DocumentAuthor(author, pairsPerUpdate)
  const writer = new Member({
    protocol: 'weft',
    url: common.urls[0]!,
    room: nameOf(made.run),
    token: tokenOf(authorId),
    counts: crowd.counts,
    id: authorId,
    typist,
  })
  crowd.members.push(writer)
  await crowd.join(patience * 1000)
  while (typist.count < updates && writer.isSynced) {
    writer.press()
    await crowd.until(() => writer.unacked() < inFlight, patience * 1000)
  }
  await crowd.finish()
  if (typist.count < updates || writer.unacked() > 0)
    throw new Error(
      `The document could not be written: ${writer.unacked()} of ${updates} updates are not acknowledged.`,
    )
  return made
}

export default async ({ run }: Run): Promise<void> => {
  const { from, to } = share(joiners)
  for (let wave = 0; wave < waves; wave++) {
    const crowd = new Crowd()
    const members = crowd.addRoom({ name: nameOf(run), firstId: 1 + from, typists: 0, readers: to - from })
    await crowd.join(patience * 1000)
    metrics.lost.add(
      members.filter(({ everSynced, syncBytes }) => everSynced && syncBytes < leastBytes).length,
    )
    await crowd.finish()
  }
  // To read it all takes k6 long: one does.
  const reader = new Crowd()
  const half = { count: updates * pairsPerUpdate }
  const publishers = [author, author + 1].map((client) => ({ client, ...half }))
  reader.addRoom({ name: nameOf(run), firstId: 1 + from, typists: 0, readers: 1, publishers })
  await reader.join(patience * 1000)
  await reader.finish()
}
