'use strict'
// Runs an entry point that answers on its command line, each call in a fresh thread.

const { join } = require('path')
const { Worker } = require('worker_threads')
const { Broken } = require('./failure.cjs')
const { share } = require('./network.cjs')

const PRELOAD = join(__dirname, 'preload.cjs')
const TAIL = 16 * 1024 // characters of stderr that an error shows

/** Run `node ENTRY METHOD [INPUT]` and return what it printed, less one line break. */
function run (config, signal, ...args) {
  return new Promise((resolve, reject) => {
    const network = share()
    const thread = new Worker(config.entry, {
      argv: args,
      execArgv: ['--enable-source-maps', '--disable-warning=ExperimentalWarning', '--require', PRELOAD],
      workerData: { devkit: config, network },
      transferList: network === null ? [] : [network.port],
      stdout: true,
      stderr: true,
      // each thread of Node 24 would else reserve 512 MB, which count as its memory
      resourceLimits: { codeRangeSizeMb: 32 }
    })
    const printed = []
    let complained = ''
    let failed = null
    thread.stdout.on('data', (data) => printed.push(data))
    thread.stderr.setEncoding('utf8').on('data', (text) => {
      process.stderr.write(text)
      complained = (complained + text).slice(-TAIL)
    })
    thread.on('error', (error) => { failed = error })
    thread.on('exit', async (status) => {
      await Promise.all([ended(thread.stdout), ended(thread.stderr)])
      if (failed !== null) return reject(failed)
      if (status !== 0) {
        const broken = new Broken('plugin-raised', `\`${config.name} ${args[0]}\` exited with ${status}`)
        Object.assign(broken.devkit, { kind: 'exit', traceback: complained })
        return reject(broken)
      }
      const text = Buffer.concat(printed).toString()
      resolve(text.endsWith('\n') ? text.slice(0, -1) : text)
    })
    signal?.addEventListener('abort', () => { thread.terminate() }, { once: true })
  })
}

function ended (stream) {
  return stream.readableEnded || stream.destroyed ? null : new Promise((resolve) => stream.once('close', resolve))
}

/** Return the plugin that such a script is. */
function scripted (config, source) {
  const named = (word) => new RegExp(`['"\`]${word}['"\`]`).test(source)
  return {
    functions: [(input, context) => run(config, context.signal, 'execute', input)],
    initialize: named('initialize') ? () => run(config, null, 'initialize').then((text) => { if (text) console.log(text) }) : null,
    shutdown: named('shutdown') ? () => run(config, null, 'shutdown').then((text) => { if (text) console.log(text) }) : null,
    configure: null,
    features: [],
    pieces: null,
    talks: false,
    bytes: false,
    concurrency: 4
  }
}

module.exports = { scripted }
