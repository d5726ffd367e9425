'use strict'
// Frames of the worker protocol, version 1 (docs/reference/worker-protocol.md): cutting and writing.

const HEADER = 12
const KIND = {
  HELLO: 1, WELCOME: 2, INITIALIZE: 3, CALL: 4, RESULT: 5, ERROR: 6, CANCEL: 7, PING: 8, PONG: 9,
  SHUTDOWN: 10, CHUNK: 11, CREDIT: 12, STARTED: 13, CONFIGURE: 14, HOST_CALL: 15, HOST_RESULT: 16,
  HOST_ERROR: 17, HOST_CANCEL: 18, LOG: 19, EVENT: 20, PROGRESS: 21, INPUT: 22
}
const TEXT = 1
const END = 2
const META = 4
const ITEM = 8
const STREAM = 16

const uncurry = Function.prototype.bind.bind(Function.prototype.call)
const { allocUnsafe, byteLength, from } = Buffer
const copy = uncurry(Buffer.prototype.copy)
const set = uncurry(Uint8Array.prototype.set)
const subarray = uncurry(Uint8Array.prototype.subarray)
const latin1 = uncurry(Buffer.prototype.latin1Slice)
const now = performance.now.bind(performance)
const NO_LIMIT = 0xffffffff // milliseconds

function u32 (bytes, at) {
  return ((bytes[at] << 24) | (bytes[at + 1] << 16) | (bytes[at + 2] << 8) | bytes[at + 3]) >>> 0
}

/** Write a frame's header, whose payload of `size` bytes follows it. */
function header (bytes, kind, flags, fn, call, size) {
  const length = size + 8
  bytes[0] = length >>> 24
  bytes[1] = length >>> 16
  bytes[2] = length >>> 8
  bytes[3] = length
  bytes[4] = kind
  bytes[5] = flags
  bytes[6] = fn >>> 8
  bytes[7] = fn
  bytes[8] = call >>> 24
  bytes[9] = call >>> 16
  bytes[10] = call >>> 8
  bytes[11] = call
}

/** Return a frame as one buffer; `payload` is bytes, from `start` to `end`, or nothing. */
function encode (kind, flags, fn, call, payload, start = 0, end = payload === undefined ? 0 : payload.length) {
  const frame = allocUnsafe(HEADER + end - start)
  header(frame, kind, flags, fn, call, end - start)
  if (end > start) set(frame, subarray(payload, start, end), HEADER)
  return frame
}

/** Return what metadata says: until when, by `performance.now()`, somebody waits for the answer, and a trace context. */
function told (bytes, at, size) {
  const left = size < 4 ? NO_LIMIT : u32(bytes, at)
  const trace = size > 4 ? latin1(bytes, at + 4, at + size) : ''
  return { until: left === NO_LIMIT ? Infinity : now() + left, trace }
}

/**
 * Cuts a byte stream into frames. `take(kind, flags, fn, call, bytes, start, end)` is called for each; its
 * bytes are the reader's own and only good until it returns. Metadata is read before that.
 */
class Reader {
  told = null // of the last frame with metadata: `{ until, trace }`

  #take
  #part = null // a frame that came in pieces, with how many bytes of it are there
  #have = 0
  #head = allocUnsafe(HEADER)

  constructor (take) {
    this.#take = take
  }

  feed (bytes, size) {
    let at = 0
    if (this.#have > 0) {
      at = this.#more(bytes, size)
      if (at < 0) return
    }
    while (size - at >= HEADER) {
      const end = at + 4 + u32(bytes, at)
      if (end > size) break
      this.#cut(bytes, at, end)
      at = end
    }
    if (at < size) this.#keep(bytes, at, size)
  }

  #cut (bytes, at, end) {
    const flags = bytes[at + 5]
    let start = at + HEADER
    if (flags & META) {
      const size = bytes[start] << 8 | bytes[start + 1]
      this.told = told(bytes, start + 2, size)
      start += 2 + size
    }
    this.#take(bytes[at + 4], flags, bytes[at + 6] << 8 | bytes[at + 7], u32(bytes, at + 8), bytes, start, end)
  }

  #keep (bytes, at, size) {
    const rest = size - at
    if (rest < HEADER) {
      copy(bytes, this.#head, 0, at, size)
    } else {
      this.#part = allocUnsafe(4 + u32(bytes, at))
      copy(bytes, this.#part, 0, at, size)
    }
    this.#have = rest
  }

  /** Complete the frame that is kept; return where the next one begins, or -1. */
  #more (bytes, size) {
    let at = 0
    if (this.#part === null) {
      at = Math.min(HEADER - this.#have, size)
      copy(bytes, this.#head, this.#have, 0, at)
      this.#have += at
      if (this.#have < HEADER) return -1
      this.#part = allocUnsafe(4 + u32(this.#head, 0))
      copy(this.#head, this.#part, 0, 0, HEADER)
    }
    const part = this.#part
    const taken = Math.min(part.length - this.#have, size - at)
    copy(bytes, part, this.#have, at, at + taken)
    this.#have += taken
    if (this.#have < part.length) return -1
    this.#part = null
    this.#have = 0
    this.#cut(part, 0, part.length)
    return at + taken
  }
}

module.exports = {
  KIND, TEXT, END, META, ITEM, STREAM, HEADER, Reader, allocUnsafe, byteLength, encode, from, header, set, subarray, u32, uncurry
}
