import { afterEach, describe, expect, it } from 'vitest'
import { speak, useWords } from '../src/i18n'
import { choiceOf, knownAbout, sentenceOf, summaryOf, whyOf } from '../src/province/explain'
import type { Names } from '../src/province/explain'
import type { ContactRow, ContactSummary, DecisionRow } from '../src/protocol/shapes'

const CITIES: Record<string, string> = { guangzhou: '广州', foshan: '佛山' }
const names: Names = {
  cityName: (city) => (city ? (CITIES[city] ?? city) : ''),
  nodeName: (node) => (node === 'hub' ? '省中心' : (CITIES[node] ?? node)),
  skillName: (skill) => (skill === 'fault' ? '障碍申告' : skill),
  serviceName: (service) => (service === 'fault' ? '障碍申告' : service),
  agentName: (agent) => (agent ? `李敏 ${agent.split('@')[0] ?? ''}` : ''),
}
const teller = { words: useWords(), names }

function row(kind: string, fields: Record<string, unknown>, node = 'foshan'): ContactRow {
  return { kind, wall: 920000000, node, ...fields }
}

function decision(fields: Partial<DecisionRow>): DecisionRow {
  return { kind: 'decision', wall: 920000000, node: 'hub', n: 1, by: 'hub', choice: 'propose', why: 'largest_idle_share', known: {}, ...fields }
}

const contact: ContactSummary = {
  contact: '0757-7f3a9c21-000001',
  city: 'foshan',
  calling: '138****0001',
  service: 'fault',
  state: 'talking',
  serving: 'guangzhou',
  agent: '1001@guangzhou',
  born: 920000000,
  waited_s: 12,
  talked_s: null,
  ending: null,
  route: ['foshan', 'guangzhou'],
}
const answered = row('attempt_answered', { n: 1, site: 'guangzhou', agent: '1001@guangzhou', waited_s: 12 })

afterEach(() => speak('zh'))

describe('rows of record', () => {
  const all: ContactRow[] = [
    row('lineage_opened', { previous: null }),
    row('contact_born', { city: 'foshan', door: '112', calling: '138****0001' }),
    row('menu_chosen', { path: ['1'], service: 'fault', skill: 'fault', priority: 0 }),
    row('menu_chosen', { path: [], service: 'fault', skill: 'fault', priority: 0 }),
    row('queue_entered', { skill: 'fault', how: 'offered', waited_s: 0 }),
    row('queue_entered', { skill: 'fault', how: 'returned', waited_s: 7 }),
    ...['answered_here', 'sent_out', 'abandoned', 'short', 'moved', 'closed', 'failed'].map((how) => row('queue_left', { skill: 'fault', how, waited_s: 3 })),
    ...['home', 'province', '1001@guangzhou'].map((scope) => row('attempt_opened', { n: 1, skill: 'fault', scope })),
    answered,
    ...['home_won', 'no_answer', 'busy', 'rejected', 'refused', 'unreachable', 'no_grant', 'customer_left', 'agent_left', 'timed_out', 'restart', 'moved'].map((reason) =>
      row('attempt_withdrawn', { n: 2, reason }),
    ),
    row('attempt_withdrawn', { n: 2, reason: 'no_answer', site: 'guangzhou', agent: '1001@guangzhou' }),
    row('transfer_asked', { by: '1001@guangzhou', to_skill: 'fault', to_agent: null, outcome: 'asked' }),
    row('transfer_asked', { by: '1001@guangzhou', to_skill: null, to_agent: '1002@guangzhou', outcome: 'returned' }),
    ...['completed', 'abandoned', 'menu', 'closed_by_us', 'failed'].map((ending) =>
      row('contact_ended', { ending, evidence: 'seen', cause: 'customer', waited_s: 12, talked_s: 60, lasted_s: 80 }),
    ),
    row('segment_opened', { site: 'guangzhou', anchor: 'foshan', agent: '1001@guangzhou', received: true }, 'guangzhou'),
    row('segment_confirmed', { n: 1 }),
    row('segment_voided', { n: 1, reason: 'customer_left' }),
    row('segment_closed', { agent: '1001@guangzhou', talked_s: 60, held_s: 0, wrap_up_s: 5, disposition: 'solved', ended_by: 'transfer' }),
    row('agent_changed', { agent: '1001@guangzhou', state: 'talking' }),
    row('leg_refused', { from_city: 'guangzhou', reason: 'expired' }),
    row('repaired', { what: 'seat_gone', found: 'talking, and no leg', done: 'freed' }),
  ]

  it.each(['zh', 'en'] as const)('are all told in plain words (%s)', (language) => {
    speak(language)
    for (const each of all) {
      const told = sentenceOf(teller, each)
      expect(told, each.kind).not.toMatch(/row\.|withdrawn\.|cause\.|ending\.|[{}]|[a-z]_[a-z]|undefined/)
      expect(told.length, each.kind).toBeGreaterThan(4)
    }
  })

  it('names a kind that this version does not know', () => {
    expect(sentenceOf(teller, row('invoice_sent', {}))).toBe('其它记录：invoice_sent')
    expect(sentenceOf(teller, row('queue_left', { how: 'teleported' }))).toContain('teleported')
  })

  it('says who dialled what, and that a number was withheld', () => {
    expect(sentenceOf(teller, row('contact_born', { city: 'foshan', door: '112', calling: '138****0001' }))).toBe('138****0001 拨打 112，在佛山接入')
    expect(sentenceOf(teller, row('contact_born', { city: 'foshan', door: '112', calling: '' }))).toContain('号码保密')
  })
})

describe('a customer who is called back', () => {
  const born = row('contact_born', { city: 'foshan', door: '', calling: '138****0001', call_back: { item: 'w-1' } })
  const ended = row('call_back_ended', { item: 'w-1', outcome: 'busy', talked_s: 0 })

  it('dialled nothing, and is no caller whom nobody answered', () => {
    expect(sentenceOf(teller, born)).toBe('佛山为工单回访客户 138****0001')
    expect(sentenceOf(teller, row('call_back_answered', {}))).toBe('客户应答')
    expect(sentenceOf(teller, ended)).toContain('客户占线')
    const contact = { city: 'foshan', ending: null, waited_s: 0 } as ContactSummary
    const way = { contact, rows: [born], decisions: [] }
    expect(summaryOf(teller, way)).toBe('佛山正在回访客户。')
    expect(summaryOf(teller, { ...way, rows: [born, ended] })).toContain('佛山回访客户：客户占线')
  })
})

describe('decisions', () => {
  it('tell the choice and the reason in both languages', () => {
    const one = decision({ site: 'guangzhou', agent: null })
    expect(choiceOf(teller, one)).toBe('推荐广州的坐席')
    expect(whyOf(teller, one)).toBe('该市空闲坐席占比最大')
    speak('en')
    expect(whyOf(teller, one)).toBe('that city had the largest share of idle agents')
  })

  it('keep a reason of a newer version as it is', () => {
    expect(whyOf(teller, decision({ why: 'cheapest_trunk' }))).toBe('cheapest_trunk')
    expect(choiceOf(teller, decision({ choice: 'postpone' }))).toContain('postpone')
  })

  it('group what was known by place, with the age of the data', () => {
    const about = knownAbout(teller, {
      waited_s: 4,
      reserve: 0.1,
      'guangzhou.idle': 3,
      'guangzhou.age_s': 0.42,
      'guangzhou.said': 'nobody_idle',
      'home.waiting': 2,
      expected_wait_s: 'nobody_staffed',
    })
    expect(about).toEqual([
      {
        place: '这个接触',
        age: '',
        figures: [
          { name: '已等待', value: '4.0 s' },
          { name: '各市保留比例', value: '10%' },
          { name: '预计等待', value: '无人在席' },
        ],
      },
      {
        place: '广州',
        age: '0.4 s',
        figures: [
          { name: '空闲坐席', value: '3' },
          { name: '答复', value: '没有空闲的坐席' },
        ],
      },
      { place: '本市', age: '', figures: [{ name: '排队', value: '2' }] },
    ])
  })
})

describe('the summary', () => {
  it('tells an overflow', () => {
    expect(summaryOf(teller, { contact, rows: [answered], decisions: [] })).toBe(
      '佛山来话，本市不能及时接听，经全省调度由广州的 李敏 1001 接听，等待 12 s。',
    )
  })

  it('tells a transfer, a return and the ending', () => {
    const rows = [
      answered,
      row('transfer_asked', { by: '1001@guangzhou', to_skill: 'bill', outcome: 'asked' }),
      row('transfer_asked', { by: '1001@guangzhou', to_skill: 'bill', outcome: 'returned' }),
      row('queue_entered', { how: 'returned', skill: 'fault' }),
    ]
    const told = summaryOf(teller, { contact: { ...contact, ending: 'completed' }, rows, decisions: [] })
    expect(told).toContain('其间转接 1 次')
    expect(told).toContain('其间退回 1 次')
    expect(told).toContain('结局：正常结束')
  })

  it('tells who waits and who gave up', () => {
    speak('en')
    const queued = [row('queue_entered', { how: 'offered', skill: 'fault' })]
    expect(summaryOf(teller, { contact, rows: queued, decisions: [] })).toContain('is waiting for an agent')
    expect(summaryOf(teller, { contact, rows: [], decisions: [] })).toContain('listening to the menu')
    expect(summaryOf(teller, { contact: { ...contact, ending: 'abandoned' }, rows: queued, decisions: [] })).toContain('was not answered: Abandoned')
  })
})
