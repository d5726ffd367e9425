'use strict'
// How the plugin's imports are found: its translated TypeScript, and the packages its package.json asks for.

const { registerHooks } = require('module')
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
    const parent = pathToFileURL(packages + '/package.json').href
    hooks.resolve = (specifier, context, next) => {
      try {
        return next(specifier, context)
      } catch (error) {
        if (!/^(@[^/]+\/)?[^./:][^:]*$/.test(specifier)) throw error
        try {
          return next(specifier, { ...context, parentURL: parent })
        } catch {
          throw error
        }
      }
    }
  }
  if (hooks.load || hooks.resolve) registerHooks(hooks)
}

module.exports = { install }
