// A whole page around a rendered text.

const STYLE = [
  'body{max-width:42rem;margin:2rem auto;padding:0 1rem;font:1rem/1.6 system-ui,sans-serif}',
  'pre{overflow:auto;padding:1rem;background:#f4f4f4}',
  'table{border-collapse:collapse}td,th{border:1px solid #bbb;padding:.25rem .5rem}',
  'img{max-width:100%}blockquote{margin-left:0;padding-left:1rem;border-left:.25rem solid #bbb}',
  '@media(prefers-color-scheme:dark){body{background:#111;color:#ddd}pre{background:#222}a{color:#8bf}}'
].join('\n')
const ENTITIES = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' }

export function page (title, body, language = 'en') {
  return `<!doctype html>
<html lang="${escape(language)}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escape(title)}</title>
<style>
${STYLE}
</style>
</head>
<body>
${body}</body>
</html>
`
}

function escape (text) {
  return text.replace(/[&<>"]/g, (each) => ENTITIES[each])
}
