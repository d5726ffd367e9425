'use strict'
// What a plugin asks of its host, and tells it: its context's methods, as frames.

const { KIND, TEXT, END, ITEM, encode, from } = require('./frames.cjs')

const { parse, stringify } = JSON
const { concat } = Buffer
const { isView } = ArrayBuffer
const LONGEST = 60_000 // bytes of a message
const PIECE = 256 // what each piece of an input counts beside its bytes
const NAME = /^[a-z][a-z0-9._-]{0,63}$/
const FEATURES = { [KIND.LOG]: 'log', [KIND.EVENT]: 'event', [KIND.PROGRESS]: 'progress' }

/** The host didn't do what the plugin asked; `code` says why. */
class HostError extends Error {
  constructor (code, message, hint) {
    super(message)
    this.name = 'HostError'
    this.code = code
    if (hint) this.hint = hint
  }
}

class Host {
  #send
  #features = []
  #frame = 1 << 20
  #calls = 1
  #next = 1
  #pending = new Map() // what waits for an answer, by number
  #waiting = [] // what waits until it may be asked
  config = {}

  constructor (send) {
    this.#send = send
  }

  welcome ({ features, frame, calls }) {
    this.#features = features
    this.#frame = frame
    this.#calls = calls ?? 1
  }

  /** Tell what needs no answer; return whether the host takes it. */
  tell (kind, call, body) {
    if (!this.#features.includes(FEATURES[kind])) return false
    const data = from(json(body))
    if (data.length > LONGEST) throw new HostError('host-call-invalid', `over ${LONGEST} bytes at once`)
    this.#send(encode(kind, 0, 0, call, data))
    return true
  }

  ask (call, head, data, text) {
    return new Promise((resolve, reject) => {
      if (!this.#features.includes('host-call')) {
        return reject(new HostError('host-unavailable', 'this host answers no calls'))
      }
      const entry = { call, head, data, text, resolve, reject, parts: [], number: 0 }
      if (this.#pending.size < this.#calls) this.#begin(entry)
      else this.#waiting.push(entry)
    })
  }

  #begin (entry) {
    const number = entry.number = this.#next++
    this.#pending.set(number, entry)
    const head = from(stringify({ ...entry.head, for: entry.call }))
    if (head.length > 0xFFFF) return this.#settle(number, new HostError('host-call-invalid', 'the arguments are too long'))
    const size = Buffer.alloc(2)
    size.writeUInt16BE(head.length)
    const whole = concat([size, head, entry.data])
    for (let at = 0; at < whole.length; at += this.#frame) {
      const end = Math.min(at + this.#frame, whole.length)
      const flags = (entry.text ? TEXT : 0) | (end === whole.length ? END : 0)
      this.#send(encode(KIND.HOST_CALL, flags, 0, number, whole, at, end))
    }
  }

  /** Take an answer of the host's. */
  answered (kind, flags, number, bytes) {
    const entry = this.#pending.get(number)
    if (entry === undefined) return
    if (kind === KIND.HOST_ERROR) {
      const { code, message, hint } = parse(bytes.toString())
      return this.#settle(number, new HostError(code, message, hint))
    }
    entry.parts.push(from(bytes))
    if (flags & END) this.#settle(number, null, { data: concat(entry.parts), text: (flags & TEXT) !== 0 })
  }

  #settle (number, error, answer) {
    const entry = this.#pending.get(number)
    this.#pending.delete(number)
    if (error === null) entry.resolve(answer)
    else entry.reject(error)
    if (this.#waiting.length > 0) this.#begin(this.#waiting.shift())
  }

  /** Give up what a call that was cancelled has asked. */
  abandon (call) {
    const gone = () => new HostError('cancelled', 'the call was cancelled')
    const left = this.#waiting.filter((entry) => entry.call === call)
    this.#waiting = this.#waiting.filter((entry) => entry.call !== call)
    for (const entry of left) entry.reject(gone())
    for (const [number, entry] of this.#pending) {
      if (entry.call === call) {
        this.#send(encode(KIND.HOST_CANCEL, 0, 0, number))
        this.#settle(number, gone())
      }
    }
  }
}

/** Return the class of contexts by which functions talk to their host; `Base` has the signal. */
const talking = (Base) => class extends Base {
  #host
  #call

  constructor (host, call) {
    super()
    this.#host = host
    this.#call = call
  }

  /** Log lines: `context.log.info('read', { files: 3 })`. */
  get log () {
    const say = (level) => (message, fields = {}) => {
      const body = { level, message: String(message).slice(0, 16384).toWellFormed(), fields }
      let told
      try {
        told = this.#host.tell(KIND.LOG, this.#call, body)
      } catch { // a line of the log is never worth an exception
        told = this.#host.tell(KIND.LOG, this.#call, { ...body, fields: {} })
      }
      if (!told) console.error(`${level}: ${message}`)
    }
    return { debug: say('debug'), info: say('info'), warning: say('warning'), error: say('error') }
  }

  /** The plugin's settings as they are now. */
  get config () {
    return this.#host.config
  }

  /** Values that the host keeps for this plugin: `await context.store.get('seen', 0)`. */
  get store () {
    const ask = (name, more, data = '') => this.#ask({ name, ...more }, from(data), true)
    return {
      get: async (key, otherwise = null) => value(await ask('store.get', { key }), otherwise),
      set: async (key, given) => { await ask('store.set', { key }, json(given)) },
      delete: async (key) => value(await ask('store.delete', { key })),
      keys: async (prefix = '') => value(await ask('store.keys', { prefix }))
    }
  }

  event (name, data = {}) {
    if (!NAME.test(name)) throw new HostError('host-call-invalid', `'${name}' can't be an event's name`)
    this.#host.tell(KIND.EVENT, this.#call, { name, data })
  }

  progress (done, total = null, message = '') {
    for (const number of [done, total ?? 0]) {
      if (!(number >= 0 && number < 1e300)) throw new HostError('host-call-invalid', `progress is ${number}, not a number from 0 on`)
    }
    this.#host.tell(KIND.PROGRESS, this.#call, { done, total, message: String(message).slice(0, 16384).toWellFormed() })
  }

  /** Run another plugin: its `execute` takes and gives text or bytes, any other function a value. */
  async call (plugin, input = '', { function: name = 'execute', timeout } = {}) {
    const head = { name: 'plugin.call', plugin, function: name, ...(timeout === undefined ? {} : { timeout }) }
    if (name === 'execute' && (typeof input === 'string' || isView(input))) {
      const answer = await this.#ask(head, bytesOf(input), typeof input === 'string')
      return answer.text ? answer.data.toString() : answer.data
    }
    return value(await this.#ask(head, from(json(input)), true))
  }

  /** Call a function that the host exposes, with any JSON or bytes. */
  async host (name, given = null) {
    const head = { name: 'host.call', function: name }
    const answer = await (isView(given) ? this.#ask(head, bytesOf(given), false) : this.#ask(head, from(json(given)), true))
    return answer.text ? value(answer) : answer.data
  }

  #ask (head, data, text) {
    return this.#host.ask(this.#call, head, data, text)
  }
}

/** The pieces of one call's input, as an async iterable; each that is read gives the host credit. */
class Incoming {
  #call
  #send
  #pieces = []
  #parts = []
  #ended = false
  #wake = null

  constructor (call, send) {
    this.#call = call
    this.#send = send
  }

  take (flags, bytes) {
    if (bytes.length > 0) this.#parts.push(from(bytes))
    if (flags & ITEM) {
      this.#pieces.push(concat(this.#parts))
      this.#parts = []
    }
    if (flags & END) this.#ended = true
    this.#wake?.()
  }

  /** End it early: the call was cancelled. */
  stop () {
    this.#ended = true
    this.#pieces = []
    this.#wake?.()
  }

  async * each (shown) {
    for (;;) {
      while (this.#pieces.length > 0) {
        const piece = this.#pieces.shift()
        if (!this.#ended) {
          const size = Buffer.alloc(4)
          size.writeUInt32BE(piece.length + PIECE)
          this.#send(encode(KIND.CREDIT, 0, 0, this.#call, size))
        }
        yield shown(piece)
      }
      if (this.#ended) return
      await new Promise((resolve) => { this.#wake = resolve })
    }
  }
}

function json (value) {
  let text
  try {
    text = stringify(value)
  } catch (error) {
    throw new HostError('host-call-invalid', `the value can't be written as JSON: ${error.message}`)
  }
  if (text === undefined) throw new HostError('host-call-invalid', `the value can't be written as JSON: ${typeof value}`)
  return text.toWellFormed()
}

function bytesOf (value) {
  return typeof value === 'string' ? from(value) : from(value.buffer, value.byteOffset, value.byteLength)
}

function value ({ data }, otherwise) {
  return data.length === 0 ? otherwise : parse(data.toString())
}

module.exports = { Host, Incoming, talking }
