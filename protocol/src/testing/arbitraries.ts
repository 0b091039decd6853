import fc from 'fast-check'

/** Text of any script, at most `maxBytes` bytes of UTF-8. */
export const text = (maxBytes: number): fc.Arbitrary<string> =>
  fc
    .string({ unit: 'binary', maxLength: maxBytes })
    .filter((value) => new TextEncoder().encode(value).length <= maxBytes)

/** A value of plain MessagePack. */
export const plainValue: fc.Arbitrary<unknown> = fc.letrec((tie) => ({
  value: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.constantFrom(null, true, false, -0, 2 ** 53, -(2 ** 53), Number.MAX_VALUE),
    fc.maxSafeInteger(),
    fc.integer({ min: -70_000, max: 70_000 }),
    fc.double({ noNaN: true }),
    fc.string({ unit: 'binary', maxLength: 80 }),
    fc.uint8Array({ maxLength: 300 }),
    fc.array(tie('value'), { maxLength: 20 }),
    fc.dictionary(
      fc.oneof(fc.string({ unit: 'binary' }), fc.constantFrom('__proto__', 'constructor', 'toJSON')),
      tie('value'),
      {
        maxKeys: 20,
        noNullPrototype: true,
      },
    ),
  ),
})).value
