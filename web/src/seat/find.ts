import type { Named } from '../protocol/shapes'

/** Finding services as agents type them: by name, code, number, or the initials of the name's pinyin. */

const collator = new Intl.Collator('zh-Hans-CN-u-co-pinyin')
/** The first character of each initial in the order of pinyin (i, u and v begin no syllable). */
const FIRST = '阿a八b嚓c咑d妸e发f旮g哈h丌j咔k垃l呣m拏n喔o妑p七q呥r仨s他t屲w夕x丫y帀z'
const STARTS = Array.from({ length: FIRST.length / 2 }, (_, i) => ({ from: FIRST.charAt(2 * i), letter: FIRST.charAt(2 * i + 1) }))
/** Readings that telephone work needs and a dictionary does not put first. */
const OTHERWISE: Readonly<Record<string, string>> = { 长: 'c', 重: 'c', 查: 'c', 帐: 'z', 行: 'h', 调: 't', 传: 'c' }
const initials = new Map<string, string>()

/** The initials of `text`'s pinyin: `zj` for 装机. Letters and digits stand for themselves, all else is left out. */
export function initialsOf(text: string): string {
  const known = initials.get(text)
  if (known !== undefined) return known
  const found = [...text.toLowerCase()].map((character) => (/[a-z0-9]/.test(character) ? character : initialOf(character))).join('')
  initials.set(text, found)
  return found
}

function initialOf(character: string): string {
  if (!/\p{Script=Han}/u.test(character)) return ''
  const usual = OTHERWISE[character]
  if (usual !== undefined) return usual
  return STARTS.findLast((start) => collator.compare(start.from, character) <= 0)?.letter ?? ''
}

export interface Findable extends Named {
  id: string
  doors: string[]
}

/** How well `typed` names `thing`; 0 not at all. The beginning of a name is better than its middle. */
export function matchOf(thing: Findable, group: string, typed: string): number {
  const wanted = typed.normalize('NFKC').trim().toLowerCase()
  if (wanted === '') return 1
  const names = [thing.zh, thing.en.toLowerCase(), thing.id]
  if (names.includes(wanted) || thing.doors.includes(wanted)) return 6
  if (names.some((name) => name.startsWith(wanted))) return 5
  const spelt = initialsOf(thing.zh)
  if (spelt.startsWith(wanted)) return 4
  if (names.some((name) => name.includes(wanted))) return 3
  if (wanted.length > 1 && spelt.includes(wanted)) return 2
  return group.toLowerCase().includes(wanted) ? 1 : 0
}

/** What a service of the list is told apart by beside a call. */
export interface Offered {
  id: string
  skill: string
  makes_work: boolean
  answers?: string | null
  chosen: string | null
}

/** Whether a service has a form at the seat: it makes work, or it is answered at once. */
export function opens(service: Pick<Offered, 'makes_work' | 'answers'>): boolean {
  return service.makes_work || (service.answers ?? null) !== null
}

/**
 * In the order in which `call` wants them: the one that the caller chose by keys, those of the branch that was chosen,
 * those of its skill, all others; those that have no form last. Else as the province lists them.
 */
export function offeredFirst<T extends Offered>(services: readonly T[], call: { service: string; skill: string } | null): T[] {
  function rank(service: Offered): number {
    if (!opens(service)) return 4
    if (call === null) return 3
    if (service.id === call.service) return 0
    if (service.chosen === call.service) return 1
    return service.skill === call.skill ? 2 : 3
  }
  return [...services].sort((a, b) => rank(a) - rank(b))
}

/** Those that `typed` names, best first and else in their order. */
export function found<T extends Findable>(things: readonly T[], typed: string, groupOf: (thing: T) => string): T[] {
  return things
    .map((thing, at) => ({ thing, at, match: matchOf(thing, groupOf(thing), typed) }))
    .filter(({ match }) => match > 0)
    .sort((a, b) => b.match - a.match || a.at - b.at)
    .map(({ thing }) => thing)
}
