// Renders Markdown as safe HTML, by markdown-it.

import MarkdownIt from 'markdown-it'
import { anchors, outlineOf } from './headings.js'
import { page } from './page.js'

const OPTIONS = ['breaks', 'linkify', 'typographer', 'html']
const renderers = new Map()

/** Return the renderer for a set of options; there are sixteen at most, each made when it is first asked for. */
function renderer (given = {}) {
  const chosen = OPTIONS.filter((name) => given[name] === true)
  const key = chosen.join()
  if (!renderers.has(key)) {
    const options = Object.fromEntries(chosen.map((name) => [name, true]))
    renderers.set(key, new MarkdownIt(options).use(anchors))
  }
  return renderers.get(key)
}

/** Markdown in, an HTML fragment out. */
export function execute (markdown) {
  return renderer().render(markdown)
}

/** Render with options, and as a whole page where there is a title. */
export function render (request) {
  const body = renderer(request).render(request.markdown)
  return request.title === undefined ? body : page(request.title, body, request.language)
}

/** List the headings. */
export function outline ({ markdown }) {
  return outlineOf(renderer().parse(markdown, {}))
}
