'use strict'
// Says what is wrong with a source on standard input, as JSON; parses it, runs nothing of it.

const { readFileSync } = require('fs')
const { stripTypeScriptTypes } = require('module')
const vm = require('vm')
const { style } = require('./style.cjs')

const extension = process.argv[2]
const source = readFileSync(0, 'utf8').replace(/^#!/, '//')
const problems = []

function compile (text) {
  if (/^\.[cm]?ts$/.test(extension)) {
    // decorators are left in, which V8 can't parse: for them the loader's own translation has to do
    try {
      text = stripTypeScriptTypes(text, { mode: 'transform' })
    } catch (error) {
      if (error.code === 'ERR_INVALID_TYPESCRIPT_SYNTAX') throw error
      return // this Node doesn't know all of TypeScript
    }
    if (/^\s*@\w/m.test(text)) return
  }
  const asModule = () => new vm.SourceTextModule(text, { identifier: 'ENTRY' })
  if (/\.m[jt]s$/.test(extension)) return asModule()
  try {
    vm.compileFunction(text, ['exports', 'require', 'module', '__filename', '__dirname'], { filename: 'ENTRY' })
  } catch (error) {
    if (/\.c[jt]s$/.test(extension) || !/\b(import|export|await)\b/.test(text)) throw error
    asModule()
  }
}

try {
  compile(source)
} catch (error) {
  const at = /^(?:ENTRY)?:(\d+)\n(?:.*\n)*?( *)\^/.exec(error.stack ?? '')
  if (at === null) throw error // the place of an ES module's error is told only when nobody catches it
  problems.push({
    code: 'entry-point-syntax',
    message: String(error.message).split('\n')[0],
    line: Number(at[1]),
    column: at[2].length + 1
  })
}
if (problems.length === 0 && style(source) === '') {
  problems.push({
    code: 'entry-function-missing',
    message: 'ENTRY exports no function `execute`',
    line: 1,
    column: null,
    hint: 'write `export function execute(input) {…}` or `exports.execute = (input) => …`'
  })
}
console.log(JSON.stringify(problems))
