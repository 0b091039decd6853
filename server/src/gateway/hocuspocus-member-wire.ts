import { YjsWire, type YjsWireOwner } from './yjs-member-wire.js'

export interface HocuspocusWireOwner extends YjsWireOwner {
  /** The state that the provider asked for has been sent. */
  stateSent(): void
  /** Nothing may reach the socket between the fragments of a message: the other documents go off their topics. */
  suspendOthers(): void
  /** They get what they missed meanwhile. */
  resumeOthers(): void
}

/** The frames of one document of a HocuspocusProvider: those of y-websocket after an address. */
export class HocuspocusWire extends YjsWire {
  private readonly document: HocuspocusWireOwner

  constructor(document: HocuspocusWireOwner, address: Uint8Array) {
    super(document, address)
    this.document = document
  }

  override finish(update: Uint8Array | null, initial: boolean): void {
    super.finish(update, initial)
    if (initial) this.document.stateSent()
  }

  protected override beginFragments(): void {
    super.beginFragments()
    this.document.suspendOthers()
  }

  protected override endFragments(): void {
    super.endFragments()
    this.document.resumeOthers()
  }
}
