// Writes a shape as TypeScript.

import { Naming } from './naming'
import { Scalar, Shape } from './shape'

export interface Style {
  readonly: boolean
  exported: boolean
}

const SCALARS: [Scalar, string][] = [
  [Scalar.String, 'string'],
  [Scalar.Number, 'number'],
  [Scalar.Boolean, 'boolean'],
]

/** Return the declarations of a type of that name and of all that it needs, itself first. */
export function write(shape: Shape, name: string, style: Style): string {
  return new Writer(style).write(shape, Naming.type(name))
}

class Writer {
  private readonly declarations: string[] = []
  private readonly names = new Map<string, string>()

  constructor(private readonly style: Style) {}

  write(shape: Shape, name: string): string {
    this.names.set(name, '')
    if (isInterface(shape)) {
      this.declare(name, shape)
    } else {
      const at = this.declarations.push('') - 1
      this.declarations[at] = `${this.keyword('type')} ${name} = ${this.reference(shape, name)}\n`
    }
    return this.declarations.join('\n')
  }

  /** How a shape is written where it is used. */
  private reference(shape: Shape, name: string): string {
    const parts = SCALARS.filter(([scalar]) => shape.scalars & scalar).map(([, word]) => word)
    if (shape.elements !== null) parts.push(this.array(shape.elements, name))
    if (shape.properties !== null) parts.push(this.object(shape, name))
    if (shape.scalars & Scalar.Null) parts.push('null')
    return parts.length > 0 ? parts.join(' | ') : 'unknown'
  }

  private array(elements: Shape, name: string): string {
    const element = this.reference(elements, Naming.singular(name))
    const open = this.style.readonly ? 'readonly ' : ''
    return element.includes(' ') ? `${open}(${element})[]` : `${open}${element}[]`
  }

  private object(shape: Shape, name: string): string {
    const values = shape.dictionary()
    if (values === null) return this.interface(shape, name)
    const record = `Record<string, ${this.reference(values, Naming.singular(name))}>`
    return this.style.readonly ? `Readonly<${record}>` : record
  }

  /** Declare an interface of its own and return its name; one that is alike is used again. */
  private interface(shape: Shape, wanted: string): string {
    let name = wanted
    for (let n = 2; this.names.has(name); n++) name = `${wanted}${n}`
    this.names.set(name, '')
    const at = this.declarations.length
    const body = this.declare(name, shape)
    for (const [other, its] of this.names) {
      if (other !== name && its === body) {
        this.declarations.length = at
        this.names.delete(name)
        return other
      }
    }
    this.names.set(name, body)
    return name
  }

  private declare(name: string, shape: Shape): string {
    const at = this.declarations.push('') - 1
    const lines = [...(shape.properties ?? [])].map(([property, { shape: its, seen }]) => {
      const mark = seen < shape.objects ? '?' : ''
      const type = this.reference(its, Naming.type(property))
      return `  ${this.style.readonly ? 'readonly ' : ''}${Naming.property(property)}${mark}: ${type}\n`
    })
    const body = lines.join('')
    this.declarations[at] = `${this.keyword('interface')} ${name} {\n${body}}\n`
    return body
  }

  private keyword(word: string): string {
    return this.style.exported ? `export ${word}` : word
  }
}

function isInterface(shape: Shape): boolean {
  return shape.properties !== null && !shape.scalars && shape.elements === null && shape.dictionary() === null
}
