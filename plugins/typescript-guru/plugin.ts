// Writes TypeScript types from JSON samples.

import { Shape } from './shape'
import { Style, write } from './writer'

interface Request extends Partial<Style> {
  samples: unknown[]
  name?: string
}

/** JSON, or JSON values a line each, in; the types that all of them have, out. */
export function execute(text: string): string {
  return types({ samples: read(text) })
}

/** The same of samples that are values already. */
export function types({ samples, name = 'Root', readonly = false, exported = true }: Request): string {
  if (samples.length === 0) throw new Error('there is no sample')
  const shape = new Shape()
  for (const sample of samples) shape.add(sample)
  return write(shape, name, { readonly, exported })
}

function read(text: string): unknown[] {
  try {
    return [JSON.parse(text)]
  } catch (cause) {
    const lines = text.split('\n').filter((line) => line.trim() !== '')
    if (lines.length < 2) throw new Error('the input is not JSON', { cause })
    return lines.map((line, index) => {
      try {
        return JSON.parse(line)
      } catch (error) {
        throw new Error(`neither the input nor its line ${index + 1} is JSON`, { cause: error })
      }
    })
  }
}
