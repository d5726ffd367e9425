'use strict'
// How the plugin's imports are found: its translated TypeScript, and the packages its package.json asks for.

const { createRequire, registerHooks } = require('module')
const { readFileSync } = require('fs')
const { pathToFileURL } = require('url')

/**
 * `entry` is the plugin's file, `bundle` its translation where it is TypeScript, `packages` a folder with
 * the `node_modules` that were installed for it.
 */
function install ({ entry, bundle, packages }) {
  const hooks = {}
  if (bundle) {
    const url = pathToFileURL(entry).href
    hooks.load = (wanted, context, next) => wanted === url
      ? { format: 'module', source: readFileSync(bundle), shortCircuit: true }
      : next(wanted, context)
  }
  if (packages) {
    const there = packages + '/package.json'
    const parent = pathToFileURL(there).href
    const find = createRequire(there).resolve
    let inside = false // `find` asks the hook too
    hooks.resolve = (specifier, context, next) => {
      try {
        return next(specifier, context)
      } catch (error) {
        if (inside || !/^(@[^/]+\/)?[^./:][^:]*$/.test(specifier)) throw error
        inside = true
        try {
          if (!context.conditions.includes('require')) return next(specifier, { ...context, parentURL: parent })
          return { url: pathToFileURL(find(specifier)).href, shortCircuit: true }
        } catch {
          throw error
        } finally {
          inside = false
        }
      }
    }
  }
  if (hooks.load || hooks.resolve) registerHooks(hooks)
}

module.exports = { install }
