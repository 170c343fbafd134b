import { describe, expect, it } from 'vitest'
import type { EarlierItem, Price, Statement } from '../src/protocol/shapes'
import { billsOf, costOf, dayAsked, endedAsked, exactYuan, itemsAsked, minutesAsked, underWay, wordsAsked } from '../src/seat/enquiry'
import type { Field } from '../src/seat/form'

function field(id: string, type: string): Field {
  return { id, type } as Field
}

const TODAY = '2026-11-26'

describe('an enquiry', () => {
  const fields = [field('a', 'text'), field('b', 'date'), field('c', 'number'), field('d', 'phone'), field('e', 'choice')]

  it('is read from its form by the types of its fields', () => {
    const typed = { a: '天河 医院', b: '2026-10-05', c: '3', d: '8888-6666', e: 'sms' }
    expect([dayAsked(fields, typed, TODAY), minutesAsked(fields, typed), wordsAsked(fields, typed)]).toEqual(['2026-10-05', 3, '天河 医院 88886666'])
    expect([{ f: 'yes' }, { f: 'no' }, {}].map((each) => endedAsked([...fields, field('f', 'yes_no')], each))).toEqual([true, false, false])
    expect([dayAsked(fields, {}, TODAY), minutesAsked(fields, {}), wordsAsked(fields, {})]).toEqual(['', null, ''])
  })

  it('may name a work item by its number', () => {
    expect(itemsAsked(fields, { a: ' W-0757-20ed25d5-000001 ' })).toEqual(['w-0757-20ed25d5-000001'])
    expect(itemsAsked(fields, { a: '000001' })).toEqual([])
  })

  it('tells amounts to the fen', () => {
    expect([0, 5, 1200, -1250].map(exactYuan)).toEqual(['0.00', '0.05', '12.00', '-12.50'])
  })

  it('tells one month where one is asked about', () => {
    const statement = { bills: [{ month: '2026-10' }, { month: '2026-09' }] } as Statement
    expect(billsOf(statement, '2026-09-30')).toEqual([{ month: '2026-09' }])
    expect(billsOf(statement, '')).toHaveLength(2)
  })

  it('works out what minutes cost, begun units whole, and nothing for what does not run by time', () => {
    expect(costOf({ unit: 'second', per: 6, fen: 7 } as Price, 3)).toBe(210)
    expect(costOf({ unit: 'second', per: 180, fen: 22 } as Price, 4)).toBe(44)
    expect(costOf({ unit: 'month', per: 1, fen: 2500 } as Price, 3)).toBeNull()
  })

  it('shows what is over only where that is wanted', () => {
    const items = [{ item: 'a', ending: '' }, { item: 'b', ending: 'done' }] as EarlierItem[]
    expect(underWay(items, false).map((each) => each.item)).toEqual(['a'])
    expect(underWay(items, true)).toHaveLength(2)
  })
})
