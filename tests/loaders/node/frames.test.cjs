'use strict'
// Holds the worker's frames to the protocol's test vectors: node --test frames.test.cjs

const assert = require('node:assert')
const { test } = require('node:test')
const { join } = require('node:path')

const root = join(__dirname, '../../..')
const { KIND, Reader, encode } = require(join(root, 'devkit_loaders/node/src/devkit_loader_node/worker/frames.cjs'))
const vectors = require(join(root, 'sdk/vectors/frames.json'))

const all = vectors.frames.map((vector) => ({ ...vector, bytes: Buffer.from(vector.bytes, 'hex') }))

function read (pieces) {
  const found = []
  const reader = new Reader((kind, flags, fn, call, bytes, start, end) => {
    found.push({ kind, flags, function: fn, call, payload: bytes.subarray(start, end).toString('hex') })
  })
  for (const piece of pieces) reader.feed(piece, piece.length)
  return found
}

function fields ({ kind, flags, function: fn, call, payload }) {
  return { kind: KIND[kind], flags, function: fn, call, payload }
}

for (const vector of all) {
  test(`reads ${vector.name}`, () => assert.deepEqual(read([vector.bytes]), [fields(vector)]))
  if (vector.flags & 4) continue
  test(`writes ${vector.name}`, () => {
    const payload = Buffer.from(vector.payload, 'hex')
    assert.deepEqual(encode(KIND[vector.kind], vector.flags, vector.function, vector.call, payload), vector.bytes)
  })
}

for (const size of [1, 2, 3, 7, 11, 12, 13, 64, 1000]) {
  test(`reads them all in pieces of ${size}`, () => {
    const whole = Buffer.concat(all.map((vector) => vector.bytes))
    const pieces = []
    for (let at = 0; at < whole.length; at += size) pieces.push(whole.subarray(at, at + size))
    assert.deepEqual(read(pieces), all.map(fields))
  })
}
