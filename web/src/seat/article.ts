/** Texts of articles as they are shown: plain paragraphs and lists, and nothing that a browser would run. */

export interface Block {
  kind: 'text' | 'list' | 'title'
  /** one text, or the items of a list */
  texts: string[]
}

const ITEM = /^(?:[-*]|\d+[.)、])\s+/
const WIDE = /[\p{Script=Han}\u3000-\u303f\uff00-\uffef—…“”]/u

/** Paragraphs, lists and titles of `body`: a blank line ends each, an item begins with `- ` or `1. `, a title with `#`. */
export function blocksOf(body: string): Block[] {
  const found: Block[] = []
  let open: Block | null = null
  for (const raw of body.split(/\r?\n/)) {
    const line = raw.trim()
    if (line === '') {
      open = null
    } else if (/^#{1,6}\s/.test(line)) {
      found.push({ kind: 'title', texts: [plain(line.replace(/^#+\s+/, ''))] })
      open = null
    } else if (ITEM.test(line)) {
      if (open?.kind !== 'list') found.push((open = { kind: 'list', texts: [] }))
      open.texts.push(plain(line.replace(ITEM, '')))
    } else if (open === null) {
      found.push((open = { kind: 'text', texts: [plain(line)] }))
    } else {
      open.texts.push(joined(open.texts.pop() ?? '', plain(line)))
    }
  }
  return found
}

/** Lines of one paragraph: with a space between words, without one between Chinese characters. */
function joined(before: string, after: string): string {
  return WIDE.test(before.at(-1) ?? '') || WIDE.test(after.charAt(0)) ? before + after : `${before} ${after}`
}

/** Without the marks of emphasis. */
function plain(text: string): string {
  return text.replace(/\*\*(.+?)\*\*/g, '$1').replace(/`([^`]+)`/g, '$1')
}

/** Each thing once, where it comes first. */
export function once<T>(things: readonly T[], keyOf: (thing: T) => string): T[] {
  const seen = new Set<string>()
  return things.filter((thing) => !seen.has(keyOf(thing)) && seen.add(keyOf(thing)))
}
