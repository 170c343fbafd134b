import { describe, expect, it } from 'vitest'
import type { Fee, FieldSchema, FormSchema } from '../src/protocol/shapes'
import { found, initialsOf, offeredFirst } from '../src/seat/find'
import { accepts, askedOf, changesOf, dayOf, dueOf, fenOf, fieldsOf, sectionsOf, textOf, valueOf, valuesOf, wrongsOf, yuanOf } from '../src/seat/form'
import type { Field } from '../src/seat/form'

function field(type: FieldSchema['x-layout']['type'], more: Partial<FieldSchema> = {}, layout: object = {}): FieldSchema {
  const base = type === 'yes_no' ? 'boolean' : type === 'number' || type === 'money' ? 'integer' : 'string'
  return { type: base, 'x-zh': type, 'x-en': type, ...more, 'x-layout': { type, width: 2, ...layout } }
}

const TODAY = '2026-11-26'

const schema: FormSchema = {
  properties: {
    line: field('line', { pattern: '^\\+?[0-9]{3,15}$' }, { section: '号码', section_en: 'Number' }),
    own_modem: field('yes_no', {}, { section: '设备' }),
    modem_model: field('text', { maxLength: 5, pattern: '\\S', 'x-when': { field: 'own_modem', is: ['yes'] } }, { section: '设备' }),
    modem_colour: field('text', { 'x-when': { field: 'modem_model', is: ['A1'] } }),
    lamps: field('number', { minimum: 1, maximum: 4 }, { section: '号码', section_en: 'Number' }),
    paid: field('money', { minimum: 0 }),
    day: field('date', { format: 'date', pattern: '^\\d{4}-\\d{2}-\\d{2}$' }, { width: 9, hint_zh: '缺省为今天' }),
    speed: field('choice', { enum: ['m300', 'm500'], 'x-choices': [{ code: 'm300', zh: '300 兆', en: '300 Mbit/s' }] }),
  },
  required: ['line', 'speed'],
  allOf: [{ then: { required: ['modem_model'] } }, { then: {} }],
}
const fields = fieldsOf(schema)
function one(id: string): Field {
  const wanted = fields.find((each) => each.id === id)
  if (wanted === undefined) throw new Error(id)
  return wanted
}

describe('a form', () => {
  it('is drawn as the schema says', () => {
    expect(fields.map((each) => each.id)).toEqual(Object.keys(schema.properties))
    expect(fields.filter((each) => each.required).map((each) => each.id)).toEqual(['line', 'modem_model', 'speed'])
    expect(one('day').width).toBe(4)
    expect(one('day').hint).toEqual({ zh: '缺省为今天', en: '缺省为今天' })
    expect(one('line').section).toEqual({ zh: '号码', en: 'Number' })
    expect(one('own_modem').section).toEqual({ zh: '设备', en: '设备' })
    expect(one('speed').choices).toHaveLength(1)
  })

  it('puts fields under their section, each section once', () => {
    expect(sectionsOf(fields).map((each) => [each.name?.zh, each.fields.map(({ id }) => id)])).toEqual([
      ['号码', ['line', 'lamps']],
      ['设备', ['own_modem', 'modem_model']],
      [undefined, ['modem_colour', 'paid', 'day', 'speed']],
    ])
  })

  it('asks what its conditions say, and drops what depends on something dropped', () => {
    const ids = (typed: Record<string, string>) => askedOf(fields, typed).map((each) => each.id)
    expect(ids({})).not.toContain('modem_model')
    expect(ids({ own_modem: 'no', modem_model: 'A1' })).not.toContain('modem_colour')
    expect(ids({ own_modem: 'yes', modem_model: 'A1' })).toEqual(expect.arrayContaining(['modem_model', 'modem_colour']))
  })

  it('hands in what is asked and nothing else', () => {
    const typed = { line: '0755-8888 1234', own_modem: 'no', modem_model: 'A1', paid: '12.5', lamps: ' ２ ', speed: '', day: '２０２６－１２－０５' }
    expect(valuesOf(fields, typed, TODAY)).toEqual({ line: '075588881234', own_modem: false, paid: 1250, lamps: 2, day: '2026-12-05' })
  })

  it('finds everything that is wrong, in order', () => {
    expect([...wrongsOf(fields, { line: '12', own_modem: 'yes', lamps: '5', paid: '-1', day: '2026-02-30', speed: 'm9' }, TODAY)]).toEqual([
      ['line', 'form'],
      ['modem_model', 'missing'],
      ['lamps', 'form'],
      ['paid', 'form'],
      ['day', 'form'],
      ['speed', 'form'],
    ])
    expect(wrongsOf(fields, { line: '114', speed: 'm300', modem_model: 'far too long' }, TODAY)).toEqual(new Map())
    expect([...wrongsOf(fields, { line: '114', speed: 'm300' }, TODAY, ['day']).keys()]).toEqual(['day'])
  })

  it('counts characters, not halves of them', () => {
    expect(accepts(one('modem_model').schema, '𠮷𠮷𠮷𠮷𠮷')).toBe(true)
    expect(accepts(one('modem_model').schema, '六个字不可以')).toBe(false)
  })

  it('says what an action changes, and clears what is asked no longer', () => {
    const before = { own_modem: 'yes', modem_model: 'A1', lamps: '2' }
    expect(changesOf(fields, before, { ...before, own_modem: 'no', lamps: '3' }, TODAY)).toEqual({ own_modem: false, modem_model: null, lamps: 3 })
    expect(changesOf(fields, before, before, TODAY)).toEqual({})
  })

  it('types back what it has read', () => {
    for (const [id, text] of [['own_modem', 'no'], ['paid', '12.05'], ['lamps', '3'], ['day', '2026-12-05']] as const) {
      const value = valueOf(one(id), text, TODAY)
      expect(value === null ? null : textOf(one(id), value)).toBe(text)
    }
  })
})

describe('money', () => {
  it('is whole fen, however it is typed', () => {
    expect(['0.1', '12', '12.5', '1,234.56', '¥8', '８.００', '35元', '0'].map(fenOf)).toEqual([10, 1200, 1250, 123456, 800, 800, 3500, 0])
    expect(['', '1.234', '12.', 'a', '1,23', '.5', '1e3'].map(fenOf)).toEqual([null, null, null, null, null, null, null])
    expect(fenOf('4.35')).toBe(435) // 4.35 * 100 is 434.99999999999994
  })

  it('is written as yuan', () => {
    expect([0, 5, 100, 1250, -1250].map(yuanOf)).toEqual(['0', '0.05', '1', '12.50', '-12.50'])
  })
})

describe('days', () => {
  it('are read in the forms that people type', () => {
    const on = (text: string) => dayOf(text, '2026-11-26')
    expect(['2026-12-05', '20261205', '2026/12/5', '2026年12月5日', '12-5', '12月5日', '1205', '+9'].map(on)).toEqual(Array(8).fill('2026-12-05'))
    expect(['明天', 'tomorrow', '今天', '-1'].map(on)).toEqual(['2026-11-27', '2026-11-27', '2026-11-26', '2026-11-25'])
    expect(['2026-02-30', '13-1', 'soon', ''].map(on)).toEqual([null, null, null, null])
  })

  it('without a year are the nearest', () => {
    expect([dayOf('1-5', '2026-11-26'), dayOf('12-20', '2027-01-10'), dayOf('2-29', '2027-12-01')]).toEqual(['2027-01-05', '2026-12-20', '2028-02-29'])
  })
})

describe('fees', () => {
  const fee = (code: string, more: Partial<Fee> = {}): Fee => ({ code, zh: code, en: code, fen: 500, monthly: false, deposit: false, per: null, when: null, ...more })

  it('are those that the form makes due', () => {
    const fees = [fee('always'), fee('modem', { when: { field: 'own_modem', is: ['no'] } }), fee('lamp', { per: 'lamps' }), fee('colour', { when: { field: 'modem_model', is: ['A1'] } })]
    const due = (typed: Record<string, string>) => dueOf(fees, fields, typed).map((each) => [each.fee.code, each.fen])
    expect(due({})).toEqual([['always', 500], ['lamp', 0]])
    expect(due({ own_modem: 'no', lamps: '3', modem_model: 'A1' })).toEqual([['always', 500], ['modem', 500], ['lamp', 1500]])
  })
})

describe('finding a service', () => {
  const things = [
    { id: 'install_line', zh: '市话装机', en: 'New fixed line', doors: ['189'], group: '业务受理' },
    { id: 'move_line', zh: '市话移机', en: 'Moving a fixed line', doors: ['189'], group: '业务受理' },
    { id: 'fault', zh: '障碍申告', en: 'Fault report', doors: ['112'], group: '障碍' },
    { id: 'domestic_direct', zh: '国内长途直拨', en: 'Domestic direct dialling', doors: [], group: '业务受理' },
  ]
  const ids = (typed: string) => found(things, typed, (thing) => thing.group).map((thing) => thing.id)

  it('takes name, code, number, group and the initials of its pinyin', () => {
    expect(ids('移机')).toEqual(['move_line'])
    expect(ids('fault')).toEqual(['fault'])
    expect(ids('112')).toEqual(['fault'])
    expect(ids('业务受理')).toEqual(['install_line', 'move_line', 'domestic_direct'])
    expect(ids('zj')).toEqual(['install_line'])
    expect(ids('ct')).toEqual(['domestic_direct'])
    expect(ids('')).toHaveLength(4)
    expect(ids('xyzzy')).toEqual([])
  })

  it('puts the beginning of a name before its middle', () => {
    expect(ids('line')).toEqual(['install_line', 'move_line'])
    expect(ids('m')[0]).toBe('move_line')
  })

  it('spells the words of the trade', () => {
    expect(['光纤宽带', '障碍申告', '日期', '他网', '额度', '业务办理情况查询', '传真F&S'].map(initialsOf)).toEqual(['gxkd', 'zasg', 'rq', 'tw', 'ed', 'ywblqkcx', 'czfs'])
  })
})

describe('the list of services beside a call', () => {
  const offered = (id: string, skill: string, chosen: string | null = skill, makes_work = true) => ({ id, skill, chosen, makes_work })
  const services = [
    offered('bill', 'bill', 'bill', false),
    offered('install_line', 'order'),
    offered('remove_line', 'order', null),
    offered('fault_progress', 'fault', 'fault', false),
    offered('mass_report', 'fault'),
    offered('fault', 'fault'),
  ]
  const order = (call: { service: string; skill: string } | null) => offeredFirst(services, call).map((each) => each.id)

  it('begins with what the caller chose by keys, then has its branch', () => {
    expect(order({ service: 'fault', skill: 'fault' })).toEqual(['fault', 'mass_report', 'install_line', 'remove_line', 'bill', 'fault_progress'])
  })

  it('has the branch that was chosen before the rest of the skill', () => {
    expect(order({ service: 'order', skill: 'order' }).slice(0, 2)).toEqual(['install_line', 'remove_line'])
  })

  it('is as the province lists it without a call, what makes no work item last', () => {
    expect(order(null)).toEqual(['install_line', 'remove_line', 'mass_report', 'fault', 'bill', 'fault_progress'])
  })
})
