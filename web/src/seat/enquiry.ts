import type { EarlierItem, Price, Statement } from '../protocol/shapes'
import { valueOf } from './form'
import type { Field, Typed } from './form'

/** What an enquiry asks for, read from its form by the types of its fields: no service is known by name. */

const ITEM = /^w-\d{4}-[0-9a-f]{8}-[0-9a-f]{6}$/

/** `now`: the city's day, which only dates are read by. */
function typedOf(fields: readonly Field[], typed: Typed, types: readonly string[], now = ''): string[] {
  return fields.filter((field) => types.includes(field.type)).flatMap((field) => {
    const value = valueOf(field, typed[field.id] ?? '', now)
    return value === null || value === '' ? [] : [String(value)]
  })
}

/** The day that is asked about; "" for none. `now`: this day in the city. */
export function dayAsked(fields: readonly Field[], typed: Typed, now: string): string {
  return typedOf(fields, typed, ['date'], now)[0] ?? ''
}

/** The minutes that are to be worked out; null for none. */
export function minutesAsked(fields: readonly Field[], typed: Typed): number | null {
  const [found] = typedOf(fields, typed, ['number'])
  return found === undefined ? null : Number(found)
}

/** Whether what has ended is asked for too. */
export function endedAsked(fields: readonly Field[], typed: Typed): boolean {
  return typedOf(fields, typed, ['yes_no']).includes('true')
}

/** Work items that are named in the form by their number. */
export function itemsAsked(fields: readonly Field[], typed: Typed): string[] {
  return typedOf(fields, typed, ['text']).map((text) => text.trim().toLowerCase()).filter((text) => ITEM.test(text))
}

/** What is looked for in the directory. */
export function wordsAsked(fields: readonly Field[], typed: Typed): string {
  return typedOf(fields, typed, ['text', 'phone']).join(' ')
}

/** Always with the fen, `12.00`: amounts are read out to the customer. */
export function exactYuan(fen: number): string {
  const whole = Math.floor(Math.abs(fen) / 100)
  return `${fen < 0 ? '-' : ''}${whole}.${String(Math.abs(fen) % 100).padStart(2, '0')}`
}

/** Only the bills of the month of `day`, where one is asked about. */
export function billsOf(statement: Statement, day: string): Statement['bills'] {
  return day === '' ? statement.bills : statement.bills.filter((bill) => bill.month === day.slice(0, 7))
}

/** What so many minutes cost; null for a price that does not run by time. Begun units count whole. */
export function costOf(price: Price, minutes: number): number | null {
  return price.unit === 'second' ? price.fen * Math.ceil((minutes * 60) / price.per) : null
}

/** Those that go on, and with `ended` the others too. */
export function underWay(items: readonly EarlierItem[], ended: boolean): EarlierItem[] {
  return items.filter((item) => ended || item.ending === '')
}
