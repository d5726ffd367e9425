'use strict'
// Loads the entry point and finds what it offers.

const { readFileSync } = require('fs')
const { pathToFileURL } = require('url')
const { Broken } = require('./failure.cjs')
const { style } = require('./style.cjs')

const { parse, stringify } = JSON
const ASYNC = [async () => {}, async function * () {}].map((f) => Object.getPrototypeOf(f).constructor)
const CONCURRENT = 64
const INPUTS = ['text', 'bytes', 'text-pieces', 'bytes-pieces']
const TALKS = ['host-call', 'log', 'event', 'progress']

/**
 * Return `{functions, pieces, talks, initialize, configure, shutdown, features, bytes, concurrency}`; `functions[0]` is
 * execute, which takes the input and a context, the others, which the manifest names, take and return JSON as text.
 * `pieces` is the number by which execute takes its input in pieces, `talks` says whether contexts lead to the host.
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
  if (!INPUTS.includes(input)) {
    throw new Broken('load-failed', `${config.name} exports \`input\` as ${stringify(input)}`, `it is one of ${stringify(INPUTS)}`)
  }
  const [execute, ...more] = wanted
  const talks = [...wanted, initialize, configure].some((f) => typeof f === 'function' && f.length > 1)
  const functions = [(data, context) => execute.call(offered, data, context), ...more.map((f) => typed(f, offered))]
  const pieces = input.endsWith('-pieces') ? functions.push(functions[0]) - 1 : null
  return {
    functions,
    pieces,
    talks: talks || pieces !== null,
    initialize: starting(offered, initialize, configure),
    configure: typeof configure === 'function' ? (config, context) => configure.call(offered, config, context) : null,
    features: [...features(initialize, configure, talks), ...(pieces === null ? [] : ['input'])],
    shutdown: typeof shutdown === 'function' ? () => shutdown.call(offered) : null,
    bytes: input.startsWith('bytes'),
    concurrency: wanted.some((f) => ASYNC.includes(f.constructor)) ? CONCURRENT : 1
  }
}

/** Return what the start runs: initialize with the settings, or initialize and then configure with them. */
function starting (offered, initialize, configure) {
  const known = typeof initialize === 'function'
  if (known && initialize.length > 0) return (config, context) => initialize.call(offered, config ?? {}, context)
  if (typeof configure !== 'function') return known ? () => initialize.call(offered) : null
  return async (config, context) => {
    if (known) await initialize.call(offered)
    if (config !== undefined) await configure.call(offered, config, context)
  }
}

/**
 * Say what of the settings a plugin takes, `config` at the start, `configure` when they change, and what it may use
 * of its host. A plugin that takes a context finds its settings there.
 */
function features (initialize, configure, talks) {
  const given = typeof initialize === 'function' && initialize.length > 0
  const changing = typeof configure === 'function' || (talks && !given)
  return [...(changing || given ? ['config'] : []), ...(changing ? ['configure'] : []), ...(talks ? TALKS : [])]
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
