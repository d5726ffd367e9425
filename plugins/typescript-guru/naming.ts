// Names of types, made from names of properties.

export namespace Naming {
  /** A type's name: `order_items` becomes `OrderItems`. */
  export function type(property: string): string {
    const words = property.split(/[^\p{L}\p{N}$]+/u).filter((word) => word !== '')
    const name = words.map((word) => word[0].toUpperCase() + word.slice(1)).join('')
    return /^[\p{L}$]/u.test(name) ? name : `Type${name}`
  }

  /** One of many: `categories` becomes `category`, `boxes` `box`, `items` `item`. */
  export function singular(plural: string): string {
    if (/[^aeiou]ies$/i.test(plural)) return plural.slice(0, -3) + 'y'
    if (/(s|x|z|ch|sh)es$/i.test(plural)) return plural.slice(0, -2)
    if (/[^su]s$/i.test(plural)) return plural.slice(0, -1)
    return plural
  }

  /** A property as it stands in a type: quoted where it is no identifier. */
  export function property(name: string): string {
    return /^[\p{L}_$][\p{L}\p{N}_$]*$/u.test(name) ? name : JSON.stringify(name)
  }
}
