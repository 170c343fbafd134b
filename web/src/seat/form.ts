import type { Disposition, Fee, FieldSchema, FieldType, FormSchema, Named, Value, When } from '../protocol/shapes'

/** The logic of a form that is drawn from JSON Schema. What was typed is kept as text, field by field, so that nothing
 *  half-written is ever lost; it becomes values when the form is handed in. The node checks everything again.
 *  The check is our own because validators of JSON Schema compile to code, which the content security policy forbids. */

/** What was typed or chosen, as text: "yes" and "no", codes of choices, yuan, days. */
export type Typed = Record<string, string>

export interface Field extends Named {
  id: string
  type: FieldType
  width: number
  required: boolean
  personal: boolean
  section: Named | null
  hint: Named | null
  choices: Disposition[]
  when: When | null
  schema: FieldSchema
}

/** The fields of a form in their order. */
export function fieldsOf(schema: FormSchema): Field[] {
  const required = new Set([...(schema.required ?? []), ...(schema.allOf ?? []).flatMap((each) => each.then?.required ?? [])])
  return Object.entries(schema.properties).map(([id, field]) => {
    const layout = field['x-layout']
    const { section, hint_zh: zh, hint_en: en } = layout
    return {
      id,
      zh: field['x-zh'],
      en: field['x-en'],
      type: layout.type,
      width: Math.min(4, Math.max(1, layout.width)),
      required: required.has(id),
      personal: layout.personal === true,
      section: section === undefined ? null : { zh: section, en: layout.section_en ?? section },
      hint: zh === undefined && en === undefined ? null : { zh: zh ?? en ?? '', en: en ?? zh ?? '' },
      choices: field['x-choices'] ?? [],
      when: field['x-when'] ?? null,
      schema: field,
    }
  })
}

export interface Section {
  name: Named | null
  fields: Field[]
}

/** Fields under their sections, each section where its first field stands. */
export function sectionsOf(fields: readonly Field[]): Section[] {
  const found: Section[] = []
  for (const field of fields) {
    const open = found.find((each) => each.name?.zh === field.section?.zh)
    if (open === undefined) found.push({ name: field.section, fields: [field] })
    else open.fields.push(field)
  }
  return found
}

// ── what is asked ───────────────────────────────────────────────────────────────────────────────────────────────────
/** Those fields whose condition holds. A field that is not asked has no value, so what depends on it is not asked either. */
export function askedOf(fields: readonly Field[], typed: Typed): Field[] {
  const known = new Map(fields.map((field) => [field.id, field]))
  const answers = new Map<string, boolean>()
  function asked(field: Field): boolean {
    const before = answers.get(field.id)
    if (before !== undefined) return before
    answers.set(field.id, false) // a circle asks nothing
    const other = field.when === null ? undefined : known.get(field.when.field)
    const answer = field.when === null || (other !== undefined && asked(other) && field.when.is.includes(wordOf(other, typed)))
    answers.set(field.id, answer)
    return answer
  }
  return fields.filter(asked)
}

/** What a condition compares: the value as the node would write it, of a day the one that stands there. */
function wordOf(field: Field, typed: Typed): string {
  const text = typed[field.id] ?? ''
  const value = field.type === 'date' ? tidy(field.type, text) : valueOf(field, text, '')
  return typeof value === 'boolean' ? (value ? 'yes' : 'no') : value === null ? '' : String(value)
}

// ── text and values ─────────────────────────────────────────────────────────────────────────────────────────────────
const PLAIN: readonly FieldType[] = ['number', 'money', 'date', 'phone', 'email', 'line']

/** What was meant by `text`: full-width digits of a Chinese keyboard made plain, phone numbers without their dashes. */
function tidy(type: FieldType, text: string): string {
  const plain = PLAIN.includes(type) ? text.normalize('NFKC').trim() : text.trim()
  return type === 'phone' || type === 'line' ? plain.replace(/[\s\-()]/g, '') : plain
}

/** A telephone number without spaces, dashes and full-width digits. */
export function plainLine(text: string): string {
  return tidy('line', text)
}

/** The value that `text` stands for; null where there is none or it cannot be read. */
export function valueOf(field: Field, text: string, day: string): Value | null {
  const meant = tidy(field.type, text)
  if (meant === '') return null
  switch (field.type) {
    case 'yes_no':
      return meant === 'yes' ? true : meant === 'no' ? false : null
    case 'number':
      return /^-?\d{1,15}$/.test(meant) ? Number(meant) : null
    case 'money':
      return fenOf(meant)
    case 'date':
      return dayOf(meant, day)
    default:
      return meant
  }
}

/** How `value` is typed: the inverse of `valueOf`. */
export function textOf(field: Field, value: Value): string {
  if (typeof value === 'boolean') return value ? 'yes' : 'no'
  return field.type === 'money' && typeof value === 'number' ? yuanOf(value) : String(value)
}

/** Whole fen of an amount in yuan, "12.5" or "1,200"; null where it is none. No floating point comes near money. */
export function fenOf(text: string): number | null {
  const found = /^¥?\s*(-?)(\d{1,3}(?:,\d{3})+|\d{1,12})(?:\.(\d{1,2}))?\s*元?$/.exec(text.normalize('NFKC').trim())
  if (found === null) return null
  const [, sign = '', whole = '', part = ''] = found
  const fen = Number(whole.replaceAll(',', '')) * 100 + Number(part.padEnd(2, '0'))
  return sign === '' || fen === 0 ? fen : -fen
}

/** `12.50`, and `12` for whole yuan. */
export function yuanOf(fen: number): string {
  const whole = Math.floor(Math.abs(fen) / 100)
  const part = Math.abs(fen) % 100
  return `${fen < 0 ? '-' : ''}${whole}${part === 0 ? '' : `.${String(part).padStart(2, '0')}`}`
}

const NEAR_DAYS: Readonly<Record<string, number>> = { 今天: 0, 明天: 1, 后天: 2, today: 0, tomorrow: 1 }
const DAY_MS = 86_400_000

/** A day moved by `by` days. */
export function dayAfter(day: string, by: number): string {
  return new Date(Date.parse(`${day}T00:00:00Z`) + by * DAY_MS).toISOString().slice(0, 10)
}

/** The day meant by `text`: 2026-12-05, 20261205, 12-5 (the nearest such day), +3, 明天, tomorrow; null for none.
 *  `now` is the day of the city, not of this machine. */
export function dayOf(text: string, now: string): string | null {
  const meant = text.normalize('NFKC').trim().toLowerCase()
  const near = NEAR_DAYS[meant]
  if (near !== undefined) return dayAfter(now, near)
  const ahead = /^([+-]\d{1,3})$/.exec(meant)
  if (ahead !== null) return dayAfter(now, Number(ahead[1]))
  const whole = /^(\d{4})[-/.年](\d{1,2})[-/.月](\d{1,2})日?$/.exec(meant) ?? /^(\d{4})(\d{2})(\d{2})$/.exec(meant)
  if (whole !== null) return realDay(Number(whole[1]), Number(whole[2]), Number(whole[3]))
  const short = /^(\d{1,2})[-/.月](\d{1,2})日?$/.exec(meant) ?? /^(\d{2})(\d{2})$/.exec(meant)
  if (short === null) return null
  const year = Number(now.slice(0, 4))
  const candidates = [year - 1, year, year + 1].map((each) => realDay(each, Number(short[1]), Number(short[2])))
  return candidates.reduce((best, each) => (each !== null && (best === null || apart(each, now) < apart(best, now)) ? each : best), null)
}

function realDay(year: number, month: number, date: number): string | null {
  const iso = `${year}-${String(month).padStart(2, '0')}-${String(date).padStart(2, '0')}`
  const at = Date.parse(`${iso}T00:00:00Z`)
  return Number.isNaN(at) || new Date(at).toISOString().slice(0, 10) !== iso ? null : iso
}

function apart(a: string, b: string): number {
  return Math.abs(Date.parse(a) - Date.parse(b))
}

// ── the check ───────────────────────────────────────────────────────────────────────────────────────────────────────
/** Whether `value` meets a field's own keywords: type, enum, pattern, limits, length in characters. */
export function accepts(schema: FieldSchema, value: Value): boolean {
  if (schema.enum !== undefined && !schema.enum.includes(value)) return false
  if (schema.type === 'boolean') return typeof value === 'boolean'
  if (schema.type === 'integer') {
    return Number.isSafeInteger(value) && Number(value) >= (schema.minimum ?? -Infinity) && Number(value) <= (schema.maximum ?? Infinity)
  }
  if (typeof value !== 'string') return false
  if (schema.maxLength !== undefined && [...value].length > schema.maxLength) return false
  return schema.pattern === undefined || new RegExp(schema.pattern, 'u').test(value)
}

/** A calling number as it is shown. */
const MASKED = /^\d{0,3}\*{4}\d{1,4}$/

export type Wrong = 'missing' | 'form'

/** What is wrong with one field as it is typed; null for nothing. */
export function wrongIn(field: Field, text: string, day: string, required: boolean = field.required): Wrong | null {
  if (tidy(field.type, text) === '') return required ? 'missing' : null
  if ((field.type === 'line' || field.type === 'phone') && MASKED.test(tidy(field.type, text))) return null // the node knows it
  const value = valueOf(field, text, day)
  return value === null || !accepts(field.schema, value) ? 'form' : null
}

/** Everything that is wrong, in the order of the fields; `needed` are required beside those that always are. */
export function wrongsOf(fields: readonly Field[], typed: Typed, day: string, needed: readonly string[] = []): Map<string, Wrong> {
  const found = new Map<string, Wrong>()
  for (const field of askedOf(fields, typed)) {
    const wrong = wrongIn(field, typed[field.id] ?? '', day, field.required || needed.includes(field.id))
    if (wrong !== null) found.set(field.id, wrong)
  }
  return found
}

/** What is handed in: the values of those fields that are asked and filled in. */
export function valuesOf(fields: readonly Field[], typed: Typed, day: string): Record<string, Value> {
  const found: Record<string, Value> = {}
  for (const field of askedOf(fields, typed)) {
    const value = valueOf(field, typed[field.id] ?? '', day)
    if (value !== null) found[field.id] = value
  }
  return found
}

/** What an action hands in with it: what has changed, and null for what is asked no longer or was emptied. */
export function changesOf(fields: readonly Field[], before: Typed, after: Typed, day: string): Record<string, Value | null> {
  const old = valuesOf(fields, before, day)
  const now = valuesOf(fields, after, day)
  const found: Record<string, Value | null> = {}
  for (const { id } of fields) {
    const value = now[id] ?? null
    if (value !== (old[id] ?? null)) found[id] = value
  }
  return found
}

// ── fees ────────────────────────────────────────────────────────────────────────────────────────────────────────────
/** Those fees that such a form makes due, with what they come to in fen (as `Fee.amount` of `dataset/services/service.py`). */
export function dueOf(fees: readonly Fee[], fields: readonly Field[], typed: Typed): { fee: Fee; fen: number }[] {
  const asked = new Map(askedOf(fields, typed).map((field) => [field.id, field]))
  const word = (id: string) => {
    const field = asked.get(id)
    return field === undefined ? '' : wordOf(field, typed)
  }
  return fees
    .filter((fee) => fee.when === null || fee.when.is.includes(word(fee.when.field)))
    .map((fee) => ({ fee, fen: fee.per === null ? fee.fen : fee.fen * (Number(word(fee.per)) || 0) }))
}
