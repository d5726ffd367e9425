'use strict'
// A DevKit worker for one plugin: speaks the worker protocol on descriptor 3.
//
// All that this file needs of JavaScript's own objects is taken before the plugin is loaded, so that one that
// changes prototypes or globals still gets its calls and still answers them.

const { writeSync } = require('fs')
const { isUtf8 } = require('buffer')
const { Socket } = require('net')
const { KIND, TEXT, END, META, ITEM, STREAM, HEADER, Reader, allocUnsafe, byteLength, encode, from, header, subarray, u32, uncurry } = require('./frames.cjs')
const { Broken, failure, traceback } = require('./failure.cjs')
const { load } = require('./plugin.cjs')
const network = require('./network.cjs')

const CHANNEL = 3
const READ = 256 * 1024
const SMALL = 16 * 1024 // characters of an answer that is written from the buffer we keep

const exit = process.exit.bind(process)
const { parse, stringify } = JSON
const { concat } = Buffer
const { isView } = ArrayBuffer
const { asyncIterator, iterator } = Symbol
const slice = uncurry(Buffer.prototype.utf8Slice)
const write = uncurry(Buffer.prototype.utf8Write)
const wellFormed = uncurry(String.prototype.isWellFormed)
const push = uncurry(Array.prototype.push)
const shift = uncurry(Array.prototype.shift)
const unshift = uncurry(Array.prototype.unshift)
const abort = uncurry(AbortController.prototype.abort)
const get = uncurry(Map.prototype.get)
const has = uncurry(Map.prototype.has)
const set = uncurry(Map.prototype.set)
const remove = uncurry(Map.prototype.delete)
const keys = uncurry(Map.prototype.keys)
const Controller = AbortController
const Pending = Promise
const soon = setImmediate
const { max } = Math
const now = performance.now.bind(performance)
const stop = clearInterval

const config = parse(process.argv[2])
process.argv.length = 2 // a plugin finds no arguments, and not its own path as the program's

const answer = allocUnsafe(HEADER + 3 * SMALL)
const received = allocUnsafe(READ)
const parts = new Map() // inputs that come in chunks, by call
const told = new Map() // what was said of calls that have not begun, beside their inputs
const open = new Map() // calls that have begun and not ended
const queue = [] // calls that wait for the one before them
const inputs = new Map() // inputs that come in pieces, of calls that are here
let channel = null
let plugin = null
let host = null // what the plugin's contexts talk to, where it takes them
let Talk = null
let Incoming = null
let limit = 64 << 20
let frame = 1 << 20
let window = 1 << 20
let waiting = false // whether the channel has not taken all that was written
let ending = 0 // the exit status and one, once the end waits for what was written
let begun = 0 // the call that was begun last
let stage = true // while loading, initialize or shutdown runs

// -- writing

function send (bytes, size = bytes.length) {
  let sent = 0
  if (!waiting) {
    try {
      sent = writeSync(CHANNEL, bytes, 0, size)
    } catch (error) {
      if (error.code !== 'EAGAIN') return exit(0) // the host is gone
    }
    if (sent === size) return
    waiting = true
  }
  channel.write(from(subarray(bytes, sent, size)), () => {
    waiting = channel.writableLength > 0
    if (waiting) return
    if (ending > 0) exit(ending - 1)
    advance()
  })
}

function bytesOf (value) {
  if (typeof value === 'string') {
    if (!wellFormed(value)) throw new Broken('result-not-text', "the result can't be written as UTF-8: it has half a surrogate pair")
    const size = byteLength(value)
    if (size > limit) throw tooLarge(size)
    return from(value)
  }
  if (isView(value)) value = from(value.buffer, value.byteOffset, value.byteLength)
  else if (value instanceof ArrayBuffer) value = from(value)
  else throw new Broken('result-type', `execute returned ${kindOf(value)}, not a string or bytes`, 'return text, as JSON.stringify(result)')
  if (value.length > limit) throw tooLarge(value.length)
  return value
}

function kindOf (value) {
  if (value === null || value === undefined) return String(value)
  return typeof value === 'object' ? `an object (${value.constructor?.name ?? 'without prototype'})` : `a ${typeof value}`
}

function tooLarge (size) {
  return new Broken('payload-too-large', `the result has ${size} bytes; the limit is ${limit}`)
}

/** Send an answer, or one item of it, in as many frames as it needs. */
function sendParts (kind, flags, call, data, last) {
  let at = 0
  while (data.length - at > frame) {
    send(encode(kind, flags, 0, call, data, at, at + frame))
    at += frame
    kind = KIND.CHUNK
    flags &= TEXT
  }
  send(encode(kind, flags | last, 0, call, data, at))
}

function sendResult (call, value) {
  if (typeof value === 'string' && value.length <= SMALL && wellFormed(value)) {
    const size = write(answer, value, HEADER)
    header(answer, KIND.RESULT, TEXT | END, 0, call, size)
    send(answer, HEADER + size)
  } else {
    sendParts(KIND.RESULT, typeof value === 'string' ? TEXT : 0, call, bytesOf(value), END)
  }
}

function sendError (call, error) {
  let body = from(failure(error, config.folder))
  if (body.length > frame) body = from('{"code":"plugin-raised"}')
  send(encode(KIND.ERROR, 0, 0, call, body))
}

// -- calls

/** What a function gets beside its input; its signal says that nobody waits for the answer any more. */
class Context {
  #controller = null
  #told = null

  /** Milliseconds until nobody waits for the answer any more; Infinity where the caller set no time. */
  get timeLeft () {
    return this.#told === null ? Infinity : max(0, this.#told.until - now())
  }

  /** The W3C trace context (`traceparent`) that the call belongs to, or nothing. */
  get trace () {
    return this.#told?.trace ?? ''
  }

  get signal () {
    this.#controller ??= new Controller()
    return this.#controller.signal
  }

  static tell (context, told) {
    context.#told = told
  }

  static abort (context) {
    if (context.#controller !== null) abort(context.#controller)
  }
}
const abandon = Context.abort
const tell = Context.tell

function begin (one) {
  const { fn, call, text, data, cancelled } = one
  if (cancelled) remove(told, call)
  if (cancelled) return sendError(call, new Broken('cancelled', 'the call was cancelled'))
  if (open.size > 0) {
    send(encode(KIND.STARTED, 0, 0, call))
    if (waiting) return unshift(queue, one) // a death now would leave the host without that word
  }
  begun = call
  const context = host === null ? new Context() : new Talk(host, call)
  if (told.size > 0 && has(told, call)) {
    tell(context, get(told, call))
    remove(told, call)
  }
  try {
    if (fn >= plugin.functions.length) throw new Broken('function-missing', `there is no function ${fn}`)
    const value = plugin.functions[fn](inputOf(fn, call, text, data), context)
    if (typeof value === 'string') return sendResult(call, value)
    const entry = { context, credit: window, resume: null }
    if (typeof value?.then === 'function') {
      set(open, call, entry)
      later(call, value)
    } else if (streams(value)) {
      set(open, call, entry)
      stream(call, value)
    } else {
      sendResult(call, value)
    }
  } catch (error) {
    sendError(call, error)
  } finally {
    if (inputs.size > 0 && !has(open, call)) remove(inputs, call)
  }
}

function inputOf (fn, call, text, data) {
  if (plugin.pieces !== null) {
    if (fn === plugin.pieces) return get(inputs, call).each((piece) => plugin.bytes ? piece : textOf(piece))
    if (fn === 0) return only(plugin.bytes || typeof data === 'string' ? data : textOf(data))
  }
  if (typeof data === 'string' || (fn === 0 && plugin.bytes)) return data
  return text ? slice(data, 0, data.length) : textOf(data)
}

function textOf (data) {
  if (!isUtf8(data)) {
    throw new Broken('input-not-text', 'the input is not UTF-8', "export `input = 'bytes'` to take any input")
  }
  return slice(data, 0, data.length)
}

async function * only (data) {
  yield data
}

function streams (value) {
  return typeof value === 'object' && value !== null && (typeof value.next === 'function' || asyncIterator in value)
}

async function later (call, promise) {
  let value
  try {
    value = await promise
  } catch (error) {
    return finish(call, () => sendError(call, error))
  }
  if (streams(value) && has(open, call)) return stream(call, value)
  finish(call, () => sendResult(call, value))
}

/** Answer a call, unless it was cancelled and so answered already, and begin those that waited for it. */
function finish (call, tell) {
  if (!remove(open, call)) return
  remove(inputs, call)
  try {
    tell()
  } catch (error) {
    sendError(call, error)
  }
  advance()
}

async function stream (call, items) {
  const entry = get(open, call)
  let first = true
  let text = TEXT
  let count = 0
  try {
    const source = items[asyncIterator]?.() ?? items[iterator]?.() ?? items
    for (;;) {
      const { value, done } = await source.next()
      if (!has(open, call)) return source.return?.()
      if (done) break
      const data = bytesOf(value)
      text = typeof value === 'string' ? TEXT : 0
      sendParts(first ? KIND.RESULT : KIND.CHUNK, first ? text | STREAM : text, call, data, ITEM)
      first = false
      entry.credit -= data.length
      while (entry.credit <= 0 && has(open, call)) await new Pending((resolve) => { entry.resume = resolve })
      if (++count % 64 === 0) await new Pending(soon) // let a cancel be read
    }
    finish(call, () => send(encode(first ? KIND.RESULT : KIND.CHUNK, text | (first ? END | STREAM : END), 0, call)))
  } catch (error) {
    finish(call, () => sendError(call, error))
  }
}

/** Begin what can be: nothing while answers and the word of what has begun are still in our own memory. */
function advance () {
  while (queue.length > 0 && !waiting && open.size < plugin.concurrency) begin(shift(queue))
}

function take (call) {
  if (queue.length > 0 || waiting || open.size >= plugin.concurrency) push(queue, call)
  else begin(call)
}

function cancel (call) {
  const entry = get(open, call)
  if (entry !== undefined) {
    remove(open, call)
    sendError(call, new Broken('cancelled', 'the call was cancelled'))
    abandon(entry.context)
    host?.abandon(call)
    get(inputs, call)?.stop()
    remove(inputs, call)
    entry.resume?.()
    return advance()
  }
  remove(inputs, call)
  for (const each of queue) if (each.call === call) each.cancelled = true
}

// -- what the host says

const reader = new Reader((kind, flags, fn, call, bytes, start, end) => {
  const text = (flags & TEXT) !== 0
  switch (kind) {
    case KIND.CALL:
      if (flags & META) set(told, call, reader.told)
      if (flags & END) {
        if (fn === plugin.pieces) set(inputs, call, new Incoming(call, send))
        const whole = text && (fn > 0 || !plugin.bytes)
        take({ fn, call, text, data: whole ? slice(bytes, start, end) : from(subarray(bytes, start, end)), cancelled: false })
      } else {
        set(parts, call, { fn, text, data: [from(subarray(bytes, start, end))] })
      }
      break
    case KIND.CHUNK: {
      const input = get(parts, call)
      push(input.data, from(subarray(bytes, start, end)))
      if (flags & END) {
        remove(parts, call)
        take({ fn: input.fn, call, text: input.text, data: concat(input.data), cancelled: false })
      }
      break
    }
    case KIND.CANCEL:
      cancel(call)
      break
    case KIND.CREDIT: {
      const entry = get(open, call)
      if (entry !== undefined) {
        entry.credit += u32(bytes, start)
        entry.resume?.()
      }
      break
    }
    case KIND.PING:
      send(encode(KIND.PONG, 0, 0, 0, bytes, start, end))
      break
    case KIND.WELCOME: {
      const agreed = parse(slice(bytes, start, end))
      limit = agreed.payload
      frame = agreed.frame
      window = agreed.window
      host?.welcome(agreed)
      break
    }
    case KIND.HOST_RESULT:
    case KIND.HOST_ERROR:
      host?.answered(kind, flags, call, subarray(bytes, start, end))
      break
    case KIND.INPUT:
      get(inputs, call)?.take(flags, subarray(bytes, start, end))
      break
    case KIND.INITIALIZE:
      lifecycle(plugin.initialize, false, configOf(bytes, start, end))
      break
    case KIND.CONFIGURE:
      lifecycle(plugin.configure, false, configOf(bytes, start, end))
      break
    case KIND.SHUTDOWN:
      lifecycle(plugin.shutdown, true)
      break
  }
})

/** Return the settings that a frame brings, or undefined where it brings none. */
function configOf (bytes, start, end) {
  const given = end > start ? parse(slice(bytes, start, end)).config : undefined
  if (host !== null && given !== undefined) host.config = given
  return given
}

async function lifecycle (step, last = false, config = undefined) {
  stage = true
  try {
    if (step !== null) await step(config, host === null ? undefined : new Talk(host, 0))
    send(encode(KIND.RESULT, END, 0, 0))
  } catch (error) {
    sendError(0, error)
  }
  stage = false
  if (last) end(0)
}

/** End the process when all that was written is on its way. */
function end (status) {
  if (!waiting) exit(status)
  ending = status + 1
}

// What a plugin leaves unhandled ends its worker, as it ends Node: the calls that had begun fail with it, and
// those that had not go to a fresh one.
process.on('uncaughtException', (error) => {
  for (const call of keys(open)) sendError(call, error)
  if (stage) sendError(0, error)
  let text
  try {
    text = traceback(error, config.folder)
  } catch {
    text = '(an uncaught exception that can\'t be shown)'
  }
  writeSync(2, `Uncaught ${text}\n`)
  end(1)
})

// However it ends, the host learns that no call beyond the last one was begun: the others run elsewhere.
process.on('exit', () => {
  if (begun > 0 && !waiting) send(encode(KIND.STARTED, END, 0, begun))
})

async function start () {
  const staying = setInterval(() => {}, 1 << 30) // a plugin's start may wait for what holds no process
  try {
    if (config.bundle || config.packages) require('./resolving.cjs').install(config)
    network.install(config.network)
    plugin = await load(config)
    if (plugin.talks) {
      const hosting = require('./hosting.cjs')
      Talk = hosting.talking(Context)
      Incoming = hosting.Incoming
      host = new hosting.Host(send)
    }
  } catch (error) {
    return refuse(error)
  }
  stage = false
  const functions = { execute: 0 }
  config.functions.forEach((name, index) => { functions[name] = index + 1 })
  const hello = {
    protocol: 1,
    language: 'javascript',
    version: process.versions.node,
    features: ['chunk', 'credit', 'started', ...plugin.features],
    functions,
    concurrency: plugin.concurrency,
    inputs: plugin.pieces === null ? {} : { execute: plugin.pieces }
  }
  send(encode(KIND.HELLO, 0, 0, 0, from(stringify(hello))))
  listen() // while the host reads that
  stop(staying)
}

function refuse (error) {
  const told = parse(failure(error, config.folder))
  if (told.code === 'plugin-raised') told.code = 'load-failed'
  send(encode(KIND.ERROR, 0, 0, 0, from(stringify(told))))
  end(70)
}

/** Read the channel from now on; until then it is written to without an event loop. */
function listen () {
  channel = new Socket({
    fd: CHANNEL,
    readable: true,
    writable: true,
    onread: { buffer: received, callback: (size) => { reader.feed(received, size) } }
  })
  channel.on('end', () => exit(0)) // the host is gone
  channel.on('error', () => exit(0))
  channel.resume()
}

start()
