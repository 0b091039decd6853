/* A bus whose other end is the test. */
import type { Bus, BusMessage, NodeId, NodeMessage } from '../../bus/index.js'
import type { RoomId } from '../../ids.js'

export class ScriptedBus implements Bus {
  readonly node = 'a'
  isAlone = false
  isHealthy = true
  isDoubtful = false
  readonly published: BusMessage[] = []
  readonly announced: NodeMessage[] = []
  private readonly announcements = new Set<(message: NodeMessage, from: NodeId) => void>()
  private readonly health = new Set<(isHealthy: boolean) => void>()

  publish(_room: RoomId, message: BusMessage): void {
    this.published.push(message)
  }

  subscribe(): () => void {
    return () => undefined
  }

  announce(message: NodeMessage): void {
    this.announced.push(message)
  }

  onAnnouncement(listener: (message: NodeMessage, from: NodeId) => void): () => void {
    this.announcements.add(listener)
    return () => void this.announcements.delete(listener)
  }

  onHealth(listener: (isHealthy: boolean) => void): () => void {
    this.health.add(listener)
    return () => void this.health.delete(listener)
  }

  close(): Promise<void> {
    return Promise.resolve()
  }

  /** Another node announces something. */
  hear(kind: Exclude<NodeMessage['kind'], 'control'>, from: NodeId): void {
    for (const listener of this.announcements) listener({ kind }, from)
  }

  becomes(isHealthy: boolean): void {
    this.isHealthy = isHealthy
    for (const listener of this.health) listener(isHealthy)
  }

  /** What was published since the last call. */
  takePublished(): BusMessage[] {
    return this.published.splice(0)
  }
}
