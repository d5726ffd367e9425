'use strict'
// What an exception of the plugin tells the host: code, kind, message, traceback with source lines.

const { readFileSync } = require('fs')
const { fileURLToPath } = require('url')
const { inspect } = require('util')
const { stringify } = JSON
const LIMIT = 64 * 1024 // characters of a message or a traceback
const LIMITS = { EMFILE: 'open-files-limit', EFBIG: 'scratch-limit' } // what the system refuses for a limit
const OWN = [__dirname, process.argv[1] ?? __dirname] // where our files are, and the one they may be joined in

/** A plugin, or an answer of it, that can't be used; `code` says how. */
class Broken extends Error {
  constructor (code, message, hint) {
    super(message)
    this.devkit = { code, message, hint: hint ?? null }
  }
}

const FRAME = /^ {4}at (?:.*\()?((?:file:\/\/)?\/[^()]*?):(\d+):(\d+)\)?$/

function place (frame) {
  const found = FRAME.exec(frame)
  if (found === null) return null
  try {
    const path = found[1].startsWith('file:') ? fileURLToPath(found[1]) : found[1]
    return { path, line: Number(found[2]), column: Number(found[3]) }
  } catch {
    return null
  }
}

/** Return the source line of the first frame in the plugin's own files, with a caret under its column. */
function excerpt (frames, folder) {
  for (const frame of frames) {
    const at = place(frame)
    if (at === null || !at.path.startsWith(folder + '/')) continue
    try {
      const line = readFileSync(at.path, 'utf8').split('\n')[at.line - 1]
      if (line === undefined || line.length > 500) return ''
      return `${at.path}:${at.line}\n${line}\n${' '.repeat(at.column - 1)}^\n`
    } catch {
      return ''
    }
  }
  return ''
}

/** Return an error's stack with the source line before it and without our own and Node's frames. */
function traceback (error, folder, seen = new Set()) {
  seen.add(error)
  const stack = String(error.stack ?? error)
  const lines = stack.split('\n')
  const own = lines.filter((line) => !OWN.some((path) => line.includes(path)) && !/^ {4}at .*\bnode:(internal\/|diagnostics_channel)/.test(line))
  let text = excerpt(lines.filter((line) => line.startsWith('    at ')), folder) + own.join('\n')
  const { cause } = error
  if (cause instanceof Error && !seen.has(cause) && seen.size < 8) {
    text += `\n\nCaused by:\n${traceback(cause, folder, seen)}`
  }
  return text
}

function describe (error, folder) {
  if (error instanceof Broken) return error.devkit
  if (!(error instanceof Error)) {
    return { code: 'plugin-raised', kind: typeof error, message: typeof error === 'string' ? error : inspect(error, { depth: 1 }), traceback: '' }
  }
  const message = String(error.message)
  const kind = String(error.name || 'Error')
  if (error instanceof RangeError && /allocation failed/i.test(message)) {
    return { code: 'memory-limit', kind, message }
  }
  const code = LIMITS[error.code] ?? 'plugin-raised'
  return { code, kind, message, traceback: traceback(error, folder) }
}

/** Return an error's JSON; whatever was thrown, this doesn't throw. */
function failure (error, folder) {
  let told
  try {
    told = describe(error, folder)
  } catch {
    told = { code: 'plugin-raised', kind: 'Error', message: '(what was thrown can\'t be shown)' }
  }
  for (const key in told) {
    if (typeof told[key] === 'string' && told[key].length > LIMIT) told[key] = told[key].slice(0, LIMIT)
  }
  return stringify(told)
}

module.exports = { Broken, failure, traceback }
