'use strict'
// The worker's end of its network: connections through the host, on descriptor 4 (docs/reference/worker-protocol.md).

const { Socket } = require('net')
const { MessageChannel } = require('worker_threads')

const CHANNEL = 4
const OPEN = 1
const OPENED = 2
const REFUSED = 3
const DATA = 4
const END = 5
const CREDIT = 6
const CLOSE = 7
const RESOLVE = 8
const RESOLVED = 9
const HEADER = 9
const FRAME = 65536
const WINDOW = 128 * 1024
const LOST = Buffer.from('{"code":"ECONNABORTED","message":"the host ended this plugin\'s network"}')

/** Return the error that a message of the host is, as Node's own look. */
function failure ({ code, message }, call, host, port) {
  if (code === 'ENOENT') code = 'ENOTFOUND' // as Node names it
  const at = port ? `${host}:${port}` : host
  const error = new Error(`${call} ${code} ${at}: ${message}`)
  return Object.assign(error, { code, syscall: call, ...(call === 'connect' ? { address: host, port } : { hostname: host }) })
}

/**
 * One connection. `owner` has `opened({address, port})`, `data(bytes)`, which says whether it takes more, `ended()`,
 * `closed(error)`, which is the last of them, `error` undefined where both sides had ended.
 */
class Connection {
  constructor (relay, id, owner, host, port) {
    Object.assign(this, { relay, id, owner, host, port, credit: WINDOW, taken: 0, sent: 0, received: 0, waiting: null, over: false, held: true })
  }

  /** Send bytes, as the host has room for them; `done` is called once, when they may be changed again. */
  write (bytes, done) {
    let at = 0
    const step = () => {
      this.waiting = null
      while (this.credit > 0 && !this.over) {
        const size = Math.min(bytes.length - at, this.credit, FRAME)
        this.credit -= size
        this.sent += size
        const part = bytes.subarray(at, at + size)
        at += size
        if (at === bytes.length) return this.relay.send(DATA, this.id, part, () => done(null))
        this.relay.send(DATA, this.id, part)
      }
      if (this.over) done(Object.assign(new Error('write EPIPE'), { code: 'EPIPE', syscall: 'write' }))
      else this.waiting = step
    }
    if (bytes.length > 0) step()
    else done(null)
  }

  end () {
    if (!this.over) this.relay.send(END, this.id)
  }

  /** Let the host send as much again as was received. */
  more () {
    if (this.taken === 0 || this.over) return
    const size = Buffer.alloc(4)
    size.writeUInt32BE(this.taken)
    this.taken = 0
    this.relay.send(CREDIT, this.id, size)
  }

  /** Say whether the thread is kept for this connection. */
  hold (held) {
    this.held = held
    this.relay.count()
  }

  close () {
    if (!this.over) this.relay.send(CLOSE, this.id)
    this.finish()
  }

  finish () {
    this.over = true
    this.relay.forget(this.id)
    this.waiting?.()
  }

  receive (kind, payload) {
    const { owner } = this
    if (kind === DATA) {
      this.received += payload.length
      this.taken += payload.length
      if (owner.data(payload)) this.more()
    } else if (kind === CREDIT) {
      this.credit += payload.readUInt32BE()
      this.waiting?.()
    } else if (kind === END) {
      owner.ended()
    } else if (kind === OPENED) {
      owner.opened(JSON.parse(payload))
    } else {
      const why = JSON.parse(payload)
      this.finish()
      owner.closed(why.code ? failure(why, kind === REFUSED ? 'connect' : 'read', this.host, this.port) : undefined)
    }
  }
}

/** A name that is being looked up. */
class Question {
  constructor (relay, id, host, answer) {
    Object.assign(this, { relay, id, host, answer, held: true })
  }

  receive (kind, payload) {
    const told = JSON.parse(payload)
    this.relay.forget(this.id)
    if (kind === RESOLVED) this.answer(null, told.addresses)
    else this.answer(failure(told, 'getaddrinfo', this.host))
  }
}

/** Connections and questions of one thread; its subclasses know how frames get to the host. */
class Relay {
  constructor (ids) {
    this.ids = ids // one shared number, since the threads of a worker are one to the host
    this.all = new Map() // connections and questions by id
    this.gone = false
  }

  open (owner, host, port) {
    const connection = new Connection(this, this.next(), owner, host, port)
    this.ask(OPEN, connection, host, port)
    return connection
  }

  /** Ask for a name's addresses; `answer` gets an error or null, and them. */
  resolve (host, answer) {
    this.ask(RESOLVE, new Question(this, this.next(), host, answer), host, 0)
  }

  next () {
    return (Atomics.add(this.ids, 0, 1) + 1) >>> 0
  }

  ask (kind, asker, host, port) {
    this.all.set(asker.id, asker)
    this.count()
    if (this.gone) setImmediate(() => this.lose())
    else this.send(kind, asker.id, Buffer.from(JSON.stringify({ host, port })))
  }

  forget (id) {
    this.all.delete(id)
    this.count()
  }

  /** Take note of how many still wait for something. */
  count () {}

  /** The host has ended this worker's network. */
  lose () {
    this.gone = true
    for (const each of [...this.all.values()]) each.receive(CLOSE, LOST)
  }
}

/** Of the main thread: speaks with the host; made once in a worker. */
class HostRelay extends Relay {
  constructor () {
    super(new Uint32Array(new SharedArrayBuffer(4)))
    this.rest = []
    this.length = 0
    this.wanted = HEADER // bytes that the next frame has at least
    this.channel = new Socket({ fd: CHANNEL, readable: true, writable: true })
    this.channel.on('data', (bytes) => this.feed(bytes))
    this.channel.on('error', () => this.lose())
    this.channel.on('close', () => this.lose())
    this.channel.unref()
  }

  send (kind, id, payload = null, done = undefined) {
    const size = payload === null ? 0 : payload.length
    const head = Buffer.allocUnsafe(HEADER)
    head.writeUInt32BE(size)
    head[4] = kind
    head.writeUInt32BE(id, 5)
    this.channel.cork()
    this.channel.write(head)
    if (size > 0) this.channel.write(payload, done)
    this.channel.uncork()
  }

  feed (bytes) {
    this.rest.push(bytes)
    this.length += bytes.length
    if (this.length < this.wanted) return
    const all = this.rest.length === 1 ? bytes : Buffer.concat(this.rest)
    let at = 0
    this.wanted = HEADER
    while (all.length - at >= HEADER) {
      const end = at + HEADER + all.readUInt32BE(at)
      if (end > all.length) {
        this.wanted = end - at
        break
      }
      this.all.get(all.readUInt32BE(at + 5))?.receive(all[at + 4], all.subarray(at + HEADER, end))
      at = end
    }
    this.rest = at < all.length ? [all.subarray(at)] : []
    this.length = all.length - at
  }

  /** Return what a thread makes its own relay of; `port` has to be transferred to it. */
  share () {
    const { port1, port2 } = new MessageChannel()
    const theirs = new Set()
    const forget = (id) => {
      theirs.delete(id)
      this.forget(id)
    }
    port1.on('message', ({ kind, id, payload }) => {
      if (this.gone) return port1.postMessage({ kind: CLOSE, id, payload: LOST })
      if (kind === OPEN || kind === RESOLVE) {
        theirs.add(id)
        this.all.set(id, {
          receive (kind, payload) {
            if (kind === CLOSE || kind === REFUSED || kind === RESOLVED) forget(id)
            port1.postMessage({ kind, id, payload: Uint8Array.from(payload) })
          }
        })
      } else if (kind === CLOSE) {
        forget(id)
      }
      this.send(kind, id, payload)
    })
    port1.on('close', () => {
      for (const id of [...theirs]) {
        forget(id)
        this.send(CLOSE, id)
      }
    })
    return { port: port2, ids: this.ids }
  }
}

/** Of another thread: speaks with the main thread's, which has `share`d itself. */
class ThreadRelay extends Relay {
  constructor ({ port, ids }) {
    super(ids)
    this.port = port
    port.on('message', ({ kind, id, payload }) => {
      this.all.get(id)?.receive(kind, Buffer.from(payload.buffer, payload.byteOffset, payload.length))
    })
    port.unref()
  }

  send (kind, id, payload = null, done = undefined) {
    this.port.postMessage({ kind, id, payload: payload && Uint8Array.from(payload) })
    if (done !== undefined) setImmediate(done)
  }

  count () {
    for (const each of this.all.values()) if (each.held) return this.port.ref()
    this.port.unref() // nothing that waits for the network keeps the thread
  }
}

module.exports = { HostRelay, ThreadRelay }
