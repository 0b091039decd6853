/** Something that an operator asked for cannot be done; the message is a sentence for them. */
export class OperateError extends Error {
  override readonly name = 'OperateError'
}
