'use strict'
// How an entry point is used: as a module that exports execute, or as a script that reads its arguments.

// A string, template, comment or regular expression, told apart well enough to look past them.
const SKIPPED = /\/\*[\s\S]*?\*\/|\/\/[^\n]*|'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"|`(?:\\[\s\S]|[^`\\])*`/g

/**
 * Say what a source is: `module`, `script`, or nothing where it offers neither.
 *
 * A script never names `execute` outside its strings and comments and exports it; one that can be both is a
 * module.
 */
function style (source) {
  const code = source.replace(SKIPPED, ' ')
  const exporting = /\bexports?\b/.test(code)
  if (exporting && (/\bexecute\b/.test(code) || /\bexport\s*(\*|default\b)|\bexports\s*=\s*(require|new|\w+\s*\()/.test(code))) {
    return 'module'
  }
  if (/\bargv\b|\bparseArgs\b/.test(code)) return 'script'
  if (exporting && /\bexecute\b/.test(source)) return 'module' // exports['execute']
  return ''
}

module.exports = { style }
