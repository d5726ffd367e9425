// What is known of a value's type after all its samples were seen.

const DEEPEST = 200

/** The scalar types of JSON, as flags, so that a shape can have several. */
export enum Scalar {
  None = 0,
  String = 1,
  Number = 2,
  Boolean = 4,
  Null = 8,
}

/** An object's property: its shape, and in how many of the samples it was there. */
export class Property {
  constructor(
    readonly shape = new Shape(),
    public seen = 0,
  ) {}
}

export class Shape {
  scalars = Scalar.None
  /** what the elements have, where some sample was an array */
  elements: Shape | null = null
  /** the properties by name, where some sample was an object */
  properties: Map<string, Property> | null = null
  /** how many samples were objects */
  objects = 0

  add(sample: unknown, depth = 0): void {
    if (depth > DEEPEST) throw new Error(`the sample is nested over ${DEEPEST} levels deep`)
    if (Array.isArray(sample)) {
      this.elements ??= new Shape()
      for (const element of sample) this.elements.add(element, depth + 1)
    } else if (typeof sample === 'object' && sample !== null) {
      this.addObject(sample, depth)
    } else {
      this.scalars |= scalar(sample)
    }
  }

  private addObject(sample: object, depth: number): void {
    this.properties ??= new Map()
    this.objects++
    for (const [name, value] of Object.entries(sample)) {
      let property = this.properties.get(name)
      if (property === undefined) this.properties.set(name, (property = new Property()))
      property.seen++
      property.shape.add(value, depth + 1)
    }
  }

  /** Take in all that another shape has. */
  merge(other: Shape): void {
    this.scalars |= other.scalars
    if (other.elements !== null) (this.elements ??= new Shape()).merge(other.elements)
    if (other.properties !== null) {
      this.properties ??= new Map()
      for (const [name, { shape, seen }] of other.properties) {
        let property = this.properties.get(name)
        if (property === undefined) this.properties.set(name, (property = new Property()))
        property.seen += seen
        property.shape.merge(shape)
      }
    }
    this.objects += other.objects
  }

  /**
   * The values' shape, where the properties are keys of a dictionary rather than names: three or more, of which
   * some is no identifier (as an id, a date or a path is), all with objects or all with the same scalar.
   */
  dictionary(): Shape | null {
    const properties = [...(this.properties ?? [])]
    if (properties.length < 3 || properties.every(([name]) => /^[\p{L}_$][\p{L}\p{N}_$-]*$/u.test(name))) return null
    const [first, ...rest] = properties.map(([, { shape }]) => shape)
    if (!rest.every((shape) => shape.kind() === first.kind())) return null
    const merged = new Shape()
    for (const [, { shape }] of properties) merged.merge(shape)
    return merged
  }

  private kind(): string {
    return `${this.scalars} ${this.elements !== null} ${this.properties !== null}`
  }
}

function scalar(value: unknown): Scalar {
  switch (typeof value) {
    case 'string':
      return Scalar.String
    case 'number':
      return Scalar.Number
    case 'boolean':
      return Scalar.Boolean
    default:
      return Scalar.Null
  }
}
