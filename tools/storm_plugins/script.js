// Answers with its input; notes the number of each call that it begins.
'use strict'
const fs = require('fs')

const notes = fs.openSync(process.env.NOTES, 'a', 0o600)
const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds))

async function * pieces (text) {
  for (let at = 0; at < text.length; at += 50_000) yield text.slice(at, at + 50_000)
}

/** Do what the second word says, and return the input, at `items` in pieces. */
exports.execute = async (text) => {
  const [number, verb, more] = text.split(' ', 3)
  fs.writeSync(notes, number + '\n')
  if (verb === 'sleep') await pause(Number(more))
  else if (verb === 'items') return pieces(text)
  else if (verb === 'die') process.abort()
  else if (verb === 'raise') throw new RangeError(number)
  else if (verb === 'garbage') fs.writeSync(3, 'no frame at all, but a line of text that goes on')
  else if (verb === 'flood') process.stdout.write('flood\n'.repeat(20000))
  else if (verb === 'spin') for (;;);
  return text
}
