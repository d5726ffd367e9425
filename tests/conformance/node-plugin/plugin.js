// Does what the conformance suite asks.
'use strict'
const { spawnSync } = require('child_process')
const fs = require('fs')
const net = require('net')

const cell = new Int32Array(new SharedArrayBuffer(4))
const pause = (milliseconds, value) => Atomics.wait(cell, 0, 0, milliseconds) && value
let counted = 0

const verbs = {
  echo: (argument) => argument,
  count: () => String(++counted),
  raise (argument) {
    throw new RangeError(argument)
  },
  exit: () => process.exit(3),
  hang: () => pause(3600_000),
  sleep: (argument) => pause(Number(argument), 'slept'),
  print (argument) {
    console.log(argument)
    console.error(argument)
    return 'printed'
  },
  flood (argument) {
    const line = 'f'.repeat(99) + '\n'
    for (let left = Number(argument); left > 0; left -= 100) process.stdout.write(line)
    return 'flooded'
  },
  big: (argument) => 'x'.repeat(Number(argument)),
  alloc: (argument) => Buffer.alloc(Number(argument) << 20, 1) && 'allocated',
  spawn () {
    const { error } = spawnSync('/bin/true')
    if (error) throw error
    return 'started'
  },
  read: (argument) => fs.readFileSync(argument, 'utf8'),
  write (argument) {
    fs.writeFileSync(argument, 'x')
    return 'written'
  },
  connect: (argument) => new Promise((resolve, reject) => {
    const socket = net.connect(Number(argument), '127.0.0.1', () => resolve('connected'))
    socket.on('error', reject)
  }),
  env: (argument) => process.env[argument] ?? '',
  pid: () => String(process.pid)
}

exports.initialize = () => {
  switch (process.env.CONFORMANCE_INIT) {
    case 'raise': throw new Error('initialize was told to fail')
    case 'hang': return new Promise(() => {})
  }
}

exports.execute = (text) => {
  const [, verb, argument] = /^(\w+) ?([\s\S]*)$/.exec(text)
  return verbs[verb](argument)
}

exports.shutdown = () => console.log('goodbye')
