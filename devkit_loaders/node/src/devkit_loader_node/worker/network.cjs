'use strict'
// Makes sockets connect through the host.
//
// The worker's filter lets no connection be made here. All of Node's own clients (net, tls, http, https, http2,
// fetch) end in `net.Socket.prototype.connect` or `tls.connect`, so these two are replaced; TLS is still the plugin's.

const net = require('net')
const { syncBuiltinESMExports } = require('module')
const { domainToASCII } = require('url')

const { Socket } = net
const LINK = Symbol('connection')
const NO_NETWORK = 'this plugin has no network: it needs network:https, network:http or network:connect=HOST:PORT'

let relay = null

/**
 * Put the host's connections in place (`relay`), an error that says what is missing (`none`), or nothing (`own`).
 *
 * `shared` is what `share` returned in the main thread, for a thread that has a network too.
 */
function install (kind, shared) {
  if (kind === 'own') return
  if (kind === 'none') refuse()
  else connect(shared)
  syncBuiltinESMExports()
}

/** Return what gives a thread this worker's network: null where it has none. */
function share () {
  return relay === null ? null : relay.share()
}

/** Return what `connect` was given as its options and callback. */
function read (args) {
  if (Array.isArray(args[0])) return args[0] // net.connect has read them already
  const [first] = args
  let options = {}
  if (typeof first === 'object' && first !== null) options = first
  else if (typeof first === 'string' && !(Number(first) >= 0)) options.path = first
  else {
    options.port = first
    if (typeof args[1] === 'string') options.host = args[1]
  }
  const last = args.at(-1)
  return [options, typeof last === 'function' ? last : null]
}

// -- without a grant

function refuse () {
  const plain = Socket.prototype.connect
  Socket.prototype.connect = function (...args) {
    const [options] = read(args)
    if (options.path) return plain.apply(this, args)
    const error = Object.assign(new Error(NO_NETWORK), { code: 'EACCES', syscall: 'connect' })
    this.connecting = true
    process.nextTick(() => this.destroy(error))
    return this
  }
  answerNames((host, answer) => {
    const error = Object.assign(new Error(NO_NETWORK), { code: 'EACCES', syscall: 'getaddrinfo', hostname: host })
    process.nextTick(answer, error)
  })
}

// -- with one

// What a socket does once it is the host's connection, instead of what `net.Socket` does with its handle.
const METHODS = {
  _read () {
    this[LINK].more()
  },
  _write (chunk, encoding, done) {
    if (this.connecting) return this.once('connect', () => this._write(chunk, encoding, done))
    const bytes = typeof chunk === 'string' ? Buffer.from(chunk, encoding) : Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength)
    this._unrefTimer()
    this[LINK].write(bytes, done)
  },
  _writev: null,
  _final (done) {
    if (this.connecting) return this.once('connect', () => this._final(done))
    this[LINK].end()
    done()
  },
  _destroy (error, done) {
    this[LINK].close()
    Socket.prototype._destroy.call(this, error, done)
  },
  ref () {
    this[LINK].hold(true)
    return this
  },
  unref () {
    this[LINK].hold(false)
    return this
  }
}

function connect (shared) {
  const { HostRelay, ThreadRelay } = require('./relay.cjs')
  relay = shared ? new ThreadRelay(shared) : new HostRelay()
  const plain = Socket.prototype.connect
  Socket.prototype.connect = function (...args) {
    const [options, callback] = read(args)
    if (options.path) return plain.apply(this, args)
    if (typeof callback === 'function') this.once('connect', callback)
    open(this, options)
    return this
  }
  secure()
  answerNames((host, answer) => relay.resolve(host, answer))
}

/** Connect a socket; `options` are those of `net.Socket.prototype.connect`. */
function open (socket, options) {
  const host = plainHost(options.host || 'localhost')
  const port = Number(options.port)
  if (!Number.isInteger(port) || port < 0 || port > 65535) {
    throw Object.assign(new RangeError(`Port should be >= 0 and < 65536. Received ${options.port}.`), { code: 'ERR_SOCKET_BAD_PORT' })
  }
  socket._undestroy() // one that was destroyed may connect again
  Object.assign(socket, METHODS)
  socket.connecting = true
  socket._host = host
  const owner = {
    opened ({ address, port }) {
      socket._peername = { address, port, family: net.isIPv6(address) ? 'IPv6' : 'IPv4' }
      socket.connecting = false
      socket._unrefTimer()
      socket.emit('connect')
      socket.emit('ready')
      if (!socket.isPaused()) socket.read(0)
    },
    data (bytes) {
      socket._unrefTimer()
      return socket.push(bytes)
    },
    ended () {
      socket.push(null)
      socket.read(0)
    },
    closed (error) {
      if (error !== undefined) socket.destroy(error)
    }
  }
  const link = socket[LINK] = relay.open(owner, host, port)
  Object.defineProperties(socket, {
    bytesRead: { configurable: true, get: () => link.received },
    bytesWritten: { configurable: true, get: () => link.sent }
  })
}

/** Return a host as the relay takes it: without brackets, a name in ASCII. */
function plainHost (host) {
  const bare = host.startsWith('[') && host.endsWith(']') ? host.slice(1, -1) : host
  return domainToASCII(bare) || bare
}

/** Make `tls.connect` speak over a connection of the host. */
function secure () {
  const tls = require('tls')
  const plain = tls.connect
  tls.connect = function (...args) {
    const [first, callback] = read(args)
    const options = { ...first, ...args.slice(1).find((arg) => typeof arg === 'object' && arg !== null) }
    if (options.path) return plain(...args)
    if (options.socket) return started(plain(...args), options.socket)
    const { host, port } = options
    const over = net.connect({ host, port })
    const socket = plain({ ...options, socket: over }, callback ?? undefined)
    for (const name of ['ref', 'unref']) {
      socket[name] = () => {
        over[name]()
        return socket
      }
    }
    if (options.timeout) socket.setTimeout(options.timeout)
    return socket
  }
}

/** Begin the handshake over a connection of the host that was made before: Node waits for an event of it. */
function started (socket, over) {
  if (over[LINK] && !over.connecting) {
    process.nextTick(() => {
      socket.connecting = false
      socket.emit('connect')
    })
  }
  return socket
}

// -- names

/** Make `dns.lookup` ask `find(host, answer)`. */
function answerNames (find) {
  const dns = require('dns')
  const plain = dns.lookup

  function lookup (host, options, callback) {
    if (typeof options === 'function') [options, callback] = [{}, options]
    if (!host || net.isIP(host) !== 0) return plain(host, options, callback) // asks nobody
    const { family = 0, all = false } = typeof options === 'object' && options !== null ? options : { family: options }
    const wanted = { IPv4: 4, IPv6: 6 }[family] ?? family
    find(plainHost(host), (error, addresses) => {
      if (error !== null) return callback(error)
      const found = addresses.map((address) => ({ address, family: net.isIP(address) }))
        .filter((each) => wanted === 0 || wanted === undefined || each.family === wanted)
      if (found.length === 0) {
        const none = new Error(`getaddrinfo ENOTFOUND ${host}`)
        return callback(Object.assign(none, { code: 'ENOTFOUND', syscall: 'getaddrinfo', hostname: host }))
      }
      if (all) callback(null, found)
      else callback(null, found[0].address, found[0].family)
    })
    return {}
  }

  dns.lookup = lookup
  dns.promises.lookup = (host, options = {}) => new Promise((resolve, reject) => {
    lookup(host, options, (error, address, family) => {
      if (error) reject(error)
      else resolve(Array.isArray(address) ? address : { address, family })
    })
  })
}

module.exports = { install, share }
