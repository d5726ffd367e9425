// Headings: an id for each, and the list of them.

/** A markdown-it plugin that gives each heading an id made of its text, as GitHub does. */
export function anchors (md) {
  md.core.ruler.push('heading_ids', ({ tokens }) => {
    const taken = new Map()
    for (const [token, text] of headings(tokens)) token.attrSet('id', unique(slug(text), taken))
  })
}

export function outlineOf (tokens) {
  return [...headings(tokens)].map(([token, text]) => ({
    level: Number(token.tag.slice(1)),
    text,
    id: token.attrGet('id')
  }))
}

/** Yield each heading's opening token and its text. */
function * headings (tokens) {
  for (const [index, token] of tokens.entries()) {
    if (token.type === 'heading_open') yield [token, plain(tokens[index + 1].children)]
  }
}

/** The text that a reader sees, without markup. */
function plain (tokens) {
  return tokens.map((token) => {
    if (token.type === 'softbreak' || token.type === 'hardbreak') return ' '
    return token.type === 'image' ? plain(token.children) : token.type === 'html_inline' ? '' : token.content
  }).join('').trim()
}

function slug (text) {
  return text.toLowerCase().replace(/[^\p{L}\p{M}\p{N}\s_-]/gu, '').trim().replace(/\s/gu, '-') || 'section'
}

function unique (base, taken) {
  let id = base
  for (let n = 1; taken.has(id); n++) id = `${base}-${n}`
  taken.set(id, true)
  return id
}
