'use strict'
// Loads the entry point and finds what it offers.

const { readFileSync } = require('fs')
const { pathToFileURL } = require('url')
const { Broken } = require('./failure.cjs')
const { style } = require('./style.cjs')

const { parse, stringify } = JSON
const ASYNC = [async () => {}, async function * () {}].map((f) => Object.getPrototypeOf(f).constructor)
const CONCURRENT = 64

/**
 * Return `{functions, initialize, configure, shutdown, features, bytes, concurrency}`; `functions[0]` is execute, which takes the
 * input and a context, the others, which the manifest names, take and return JSON as text.
 */
async function load (config) {
  const source = readFileSync(config.entry, 'utf8')
  if (style(source) === 'script') {
    if (config.functions.length > 0) {
      throw new Broken('entry-function-missing', `${config.name} answers on its command line only, and the manifest names functions`,
        'export them as functions of the file')
    }
    return require('./script.cjs').scripted(config, source)
  }
  const module = await import(pathToFileURL(config.entry))
  const offered = typeof module.execute === 'function' ? module : module.default ?? module
  const wanted = ['execute', ...config.functions].map((name) => {
    const found = offered[name]
    if (typeof found === 'function') return found
    throw new Broken('entry-function-missing', `${config.name} exports no function \`${name}\``, name === 'execute'
      ? 'write `export function execute(input) {…}` or `exports.execute = (input) => …`'
      : `export a function \`${name}\`; the manifest names it`)
  })
  const { initialize, configure, shutdown, input = 'text' } = offered
  if (input !== 'text' && input !== 'bytes') {
    throw new Broken('load-failed', `${config.name} exports \`input\` as ${stringify(input)}`, 'it is "text" or "bytes"')
  }
  const [execute, ...more] = wanted
  return {
    functions: [(data, context) => execute.call(offered, data, context), ...more.map((f) => typed(f, offered))],
    initialize: starting(offered, initialize, configure),
    configure: typeof configure === 'function' ? (config) => configure.call(offered, config) : null,
    features: features(initialize, configure),
    shutdown: typeof shutdown === 'function' ? () => shutdown.call(offered) : null,
    bytes: input === 'bytes',
    concurrency: wanted.some((f) => ASYNC.includes(f.constructor)) ? CONCURRENT : 1
  }
}

/** Return what the start runs: initialize with the settings, or initialize and then configure with them. */
function starting (offered, initialize, configure) {
  const known = typeof initialize === 'function'
  if (known && initialize.length > 0) return (config) => initialize.call(offered, config ?? {})
  if (typeof configure !== 'function') return known ? () => initialize.call(offered) : null
  return async (config) => {
    if (known) await initialize.call(offered)
    if (config !== undefined) await configure.call(offered, config)
  }
}

/** Say what of the settings a plugin takes: `config` at the start, `configure` when they change. */
function features (initialize, configure) {
  const changing = typeof configure === 'function'
  const starting = changing || (typeof initialize === 'function' && initialize.length > 0)
  return [...(starting ? ['config'] : []), ...(changing ? ['configure'] : [])]
}

/** Give a function of the manifest its JSON input as a value, and return its value as JSON. */
function typed (f, offered) {
  return (text, context) => {
    let value
    try {
      value = text === '' ? null : parse(text)
    } catch (error) {
      throw new Broken('input-not-json', `the input is not JSON: ${error.message}`)
    }
    const answer = f.call(offered, value, context)
    return typeof answer?.then === 'function' ? (async () => written(await answer))() : written(answer)
  }
}

function written (value) {
  let text
  try {
    text = stringify(value === undefined ? null : value)
  } catch (error) {
    throw new Broken('result-type', `the result can't be written as JSON: ${error.message}`)
  }
  if (text === undefined) throw new Broken('result-type', `the result can't be written as JSON: a ${typeof value}`)
  return text
}

module.exports = { load }
