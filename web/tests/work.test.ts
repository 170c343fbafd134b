import { createPinia, setActivePinia } from 'pinia'
import { beforeEach, describe, expect, it, vi } from 'vitest'
import { MockWork } from '../dev/work'
import { NO_ANSWER, refusalIn, Refused } from '../src/protocol/problem'
import type { ItemWhole, Receipt, SeatState, ServiceWhole } from '../src/protocol/shapes'
import { draftOf, forgetDraftsBut, forgetFormsBut, forgetStep, formKey, formsOf, freshForm, keepDraft, keepForm, keepLine, keepStep, lineOf, stepOf } from '../src/seat/drafts'
import { fieldsOf } from '../src/seat/form'
import { keepReceipts, pendingOf, receiptsOf, withReceipt } from '../src/seat/receipts'
import type { Asked } from '../src/seat/receipts'
import { actionsOf, askedBy, asks, asksSatisfaction, fieldsFor, markOf, typedOf, usualOps } from '../src/seat/steps'
import type { Step } from '../src/seat/steps'
import { useSeat } from '../src/stores/seat'
import { useWork } from '../src/stores/work'
import type { OpenForm } from '../src/stores/work'

const ME = '2001@shenzhen'
const NOON = Date.UTC(2026, 10, 26, 4) / 1000

beforeEach(() => window.sessionStorage.clear())

describe('drafts of forms', () => {
  it('are kept per contact and service, and outlive their call', () => {
    keepForm(ME, freshForm({ service: 'fault', contact: 'a', typed: { line: '0755' } }))
    keepForm(ME, freshForm({ service: 'fault', contact: 'b' }))
    keepForm(ME, freshForm({ service: 'complaint', contact: 'a' }))
    keepDraft('a', 'note')
    forgetDraftsBut(['b'])
    expect(draftOf('a')).toBe('')
    expect(formsOf(ME).map(formKey)).toEqual(['complaint a', 'fault a', 'fault b'])
    expect(formsOf(ME)[1]?.typed).toEqual({ line: '0755' })
  })

  it('go with the agent who typed them', () => {
    keepForm(ME, freshForm({ service: 'fault' }))
    keepStep(ME, 'w-1', 'close', { typed: {}, note: 'half', collected: '' })
    forgetFormsBut(ME)
    expect(stepOf(ME, 'w-1', 'close')?.note).toBe('half')
    forgetFormsBut('2002@shenzhen')
    expect([formsOf(ME), stepOf(ME, 'w-1', 'close')]).toEqual([[], null])
  })

  it('of a step end with it', () => {
    keepStep(ME, 'w-1', 'close', { typed: {}, note: 'half', collected: '' })
    forgetStep(ME, 'w-1', 'close')
    expect(stepOf(ME, 'w-1', 'close')).toBeNull()
  })

  it('that another version wrote are passed over', () => {
    window.sessionStorage.setItem(`yht.form.${ME}.x`, 'not json')
    window.sessionStorage.setItem(`yht.form.${ME}.y`, '{"other":1}')
    expect(formsOf(ME)).toEqual([])
  })
})

describe('how satisfied the customer is', () => {
  const act: Step = { op: 'work_act', name: { zh: '', en: '' }, action: { id: 'close', zh: '', en: '', from: [], to: 'done', roles: [], needs: [], note_required: false, after_call_back: true, asks_satisfaction: true } }
  const item = (asking?: string[]) => ({ ...(asking === undefined ? {} : { asks_satisfaction: asking }) }) as ItemWhole

  it('is asked by the version of the service that the item has, and by no city of the version before', () => {
    expect([asksSatisfaction(act, item(['close'])), asksSatisfaction(act, item([])), asksSatisfaction(act, item())]).toEqual([true, false, false])
    expect(asksSatisfaction({ ...act, op: 'work_note', action: null }, item(['close']))).toBe(false)
  })

  it('is chosen by a digit from 0 to 5, but not in a text', () => {
    const key = (key: string, more: KeyboardEventInit = {}) => new KeyboardEvent('keydown', { key, ...more })
    expect(['0', '1', '5', '6', 'a', 'F5'].map((each) => markOf(key(each)))).toEqual([0, 1, 5, null, null, null])
    expect(markOf(key('1', { altKey: true }))).toBeNull()
    const told: (number | null)[] = []
    for (const tag of ['textarea', 'input']) {
      const field = document.createElement(tag)
      document.body.append(field)
      if (field instanceof HTMLInputElement) field.type = 'radio'
      field.addEventListener('keydown', (event) => told.push(markOf(event)))
      field.dispatchEvent(key('4'))
    }
    expect(told).toEqual([null, 4])
  })

  it('is kept with what is typed for the step', () => {
    keepStep(ME, 'w-1', 'close', { typed: {}, note: '', collected: '', satisfaction: 4 })
    expect(stepOf(ME, 'w-1', 'close')?.satisfaction).toBe(4)
  })
})

describe('the number in the call', () => {
  it('is the calling number only where it is shown whole, until the agent types it', () => {
    expect([lineOf('a', '138****0001'), lineOf('a', '075588880001'), lineOf('a', '')]).toEqual(['138****0001', '075588880001', ''])
    keepLine('a', '114')
    expect(lineOf('a', '075588880001')).toBe('114')
    forgetDraftsBut([])
    expect(lineOf('a', 'anonymous')).toBe('')
  })
})

function receipt(state: Receipt['state'], request = 'r1'): Receipt {
  return { request, item: `w-${request}`, owning: 'guangzhou', state, problems: [] }
}
function asked(at = NOON): Asked {
  return { at, service: { zh: '障碍', en: 'Fault' }, action: null, form: 'fault a' }
}

describe('receipts', () => {
  it('are answered once: what comes late and says pending changes nothing', () => {
    let list = withReceipt([], receipt('pending'), asked())
    list = withReceipt(list, receipt('accepted'), asked())
    list = withReceipt(list, receipt('pending'), asked())
    expect(list.map((each) => each.state)).toEqual(['accepted'])
    expect(pendingOf(list)).toEqual([])
  })

  it('are newest first and keep what was asked', () => {
    const list = withReceipt(withReceipt([], receipt('pending', 'r1'), asked()), receipt('accepted', 'r2'), asked(NOON + 5))
    expect(list.map((each) => each.request)).toEqual(['r2', 'r1'])
    expect(withReceipt(list, receipt('refused', 'r1'), asked(NOON + 9))[1]).toMatchObject({ state: 'refused', at: NOON, form: 'fault a' })
  })

  it('survive a refresh until the day is over, and longer while they are pending', () => {
    const list = withReceipt(withReceipt([], receipt('pending', 'r1'), asked()), receipt('accepted', 'r2'), asked())
    keepReceipts(ME, list)
    expect(receiptsOf(ME, NOON + 60)).toEqual(list)
    expect(receiptsOf(ME, NOON + 86_400).map((each) => each.request)).toEqual(['r1'])
    expect(receiptsOf('2002@shenzhen', NOON)).toEqual([])
  })
})

describe('steps of a work item', () => {
  const mock = new MockWork()
  const whole = (id: string) => (mock.act(ME, 'service', { service: id }) as { service: ServiceWhole }).service
  const item = (line: string, service: string) => {
    const { items } = mock.act(ME, 'work_items', { line }) as { items: { item: string; service: string }[] }
    const wanted = items.find((each) => each.service === `${service}@1`)?.item
    return (mock.act(ME, 'work_item', { item: wanted }) as { item: ItemWhole }).item
  }

  it('ask only for what they need', () => {
    const broadband = whole('fibre_broadband')
    const found = actionsOf(item('075588880001', 'fibre_broadband'), broadband)
    expect(found.map((step) => step.action?.id)).toEqual(['dispatch', 'cancel'])
    const fields = fieldsOf(broadband.schema)
    expect(found.map((step) => step.action && askedBy(step.action, fields))).toEqual([['visit', 'visit_half'], []])
    const online = broadband.actions.find((action) => action.id === 'online')
    const close = broadband.actions.find((action) => action.id === 'close')
    if (online === undefined || close === undefined) throw new Error('no such action')
    expect(asks({ op: 'work_act', name: online, action: online }, broadband)).toBe(false)
    expect(asks({ op: 'work_act', name: close, action: close }, broadband)).toBe(true) // an ending stands
  })

  it('leave what is masked as it is', () => {
    const broadband = item('075588880001', 'fibre_broadband')
    const fields = fieldsOf(whole('fibre_broadband').schema)
    expect(typedOf(broadband, fields)).not.toHaveProperty('contact_phone')
    expect(typedOf(broadband, fields)['fibre_at_home']).toBe('yes')
    expect(fieldsFor(broadband, fields).find((field) => field.id === 'contact_phone')?.required).toBe(false)
  })

  it('are those that fit the state, the holder and the role', () => {
    const open = item('075588880002', 'fault')
    expect(usualOps(open, ME, ['agent'])).toEqual(['work_give_back', 'work_hand_over', 'work_park', 'work_called_back', 'work_note'])
    expect(usualOps(open, '2002@shenzhen', ['supervisor'])).toEqual(['work_take', 'work_hand_over', 'work_give_back', 'work_called_back', 'work_note', 'work_press'])
    expect(usualOps({ ...open, assignee: null }, '', ['site_admin'])).toEqual(['work_hand_over', 'work_called_back', 'work_note', 'work_press'])
    expect(usualOps({ ...open, ends: 'done' }, ME, ['agent'])).toEqual(['work_note'])
  })
})

describe('the desk', () => {
  type Answer = (fields: Record<string, unknown>) => unknown
  let answers: Record<string, Answer>
  let sent: [string, Record<string, unknown>][]

  /** A seat whose node is the test. */
  async function sitDown(more: Record<string, Answer> = {}, who = ME): Promise<ReturnType<typeof useWork>> {
    setActivePinia(createPinia())
    const seat = useSeat()
    answers = { services: () => ({ services: [{ id: 'fault', zh: '障碍申告', en: 'Fault report', makes_work: true }] }), ...more }
    sent = []
    seat.status = 'live'
    seat.state = { agent: who, calls: [] } as unknown as SeatState
    vi.spyOn(seat, 'ask').mockImplementation(async (op, fields = {}) => {
      sent.push([op, fields as Record<string, unknown>])
      const answer = answers[op]
      if (answer === undefined) throw refusalIn({ problem: { slug: 'unknown-operation', zh: '没有', en: 'none' } }, 404)
      return answer(fields as Record<string, unknown>)
    })
    const ears: ((receipt: Receipt) => void)[] = []
    vi.spyOn(seat, 'hearWork').mockImplementation((ear) => void ears.push(ear))
    const work = useWork()
    push = (answer) => ears.forEach((ear) => ear(answer))
    await work.begin(who)
    return work
  }
  let push: (answer: Receipt) => void

  function form(work: ReturnType<typeof useWork>): OpenForm {
    const [first] = work.forms
    if (first === undefined) throw new Error('no form is open')
    return first
  }
  async function handIn(work: ReturnType<typeof useWork>): Promise<OpenForm> {
    work.openForm('fault')
    form(work).draft.typed['line'] = '02088880001'
    work.keep(form(work))
    await work.submit(form(work), { line: '02088880001' }, '02088880001')
    return form(work)
  }

  it('offers nothing where the city has no services or does not know of them', async () => {
    expect((await sitDown({ services: () => ({ services: [] }) })).offered).toBe(false)
    const work = await sitDown({ services: () => { throw refusalIn({ problem: { slug: 'unknown-operation', zh: '', en: '' } }, 404) } })
    expect([work.services, work.offered, work.current]).toEqual([[], false, null])
  })

  it('asks again for services when there was no answer', async () => {
    const work = await sitDown({ services: () => { throw new Refused(NO_ANSWER) } })
    expect(work.services).toBeNull()
    answers['services'] = () => ({ services: [{ id: 'fault', zh: '障碍', en: 'Fault' }] })
    await work.begin(ME)
    expect(work.offered).toBe(true)
  })

  it('hands a form in and drops its draft when it is accepted', async () => {
    const work = await sitDown({ work_open: () => receipt('accepted') })
    const done = await handIn(work)
    expect(sent.at(-1)).toEqual(['work_open', { key: expect.any(String), service: 'fault', line: '02088880001', customer: '', owning: '', values: { line: '02088880001' }, contact: '', collected_fen: 0, again_of: '' }])
    expect(done.receipt?.state).toBe('accepted')
    expect(formsOf(ME)).toEqual([])
    expect(work.receipts).toMatchObject([{ request: 'r1', state: 'accepted', service: { zh: '障碍申告' }, form: 'fault' }])
  })

  it('keeps everything that was typed when it is refused, with every reason', async () => {
    const problems = [{ slug: 'field-missing', zh: '必填', en: 'needed', place: 'reach' }, { slug: 'rule-no-arrears', zh: '有欠费', en: 'arrears', place: 'fault' }]
    const work = await sitDown({ work_open: () => { throw refusalIn({ problem: problems[0], problems }, 400) } })
    const refused = await handIn(work)
    expect(refused.problems).toEqual(problems)
    expect(formsOf(ME)[0]?.typed).toEqual({ line: '02088880001' })
    expect(work.receipts).toEqual([])
  })

  it('waits for another city, and tells its answer', async () => {
    const work = await sitDown({ work_open: () => receipt('pending') })
    const waiting = await handIn(work)
    expect([waiting.receipt?.state, work.pending.length, formsOf(ME).length]).toEqual(['pending', 1, 1])
    push(receipt('accepted'))
    expect([form(work).receipt?.state, work.pending.length, formsOf(ME).length]).toEqual(['accepted', 0, 0])
    expect(work.news).toMatchObject({ request: 'r1', state: 'accepted' })
  })

  it('opens a form again that another city has refused, its tab closed or not', async () => {
    const work = await sitDown({ work_open: () => receipt('pending') })
    await handIn(work)
    work.closeForm('fault')
    expect(work.forms).toEqual([])
    const problems = [{ slug: 'field-form', zh: '不可用', en: 'not accepted', place: 'line' }]
    push({ ...receipt('refused'), problems })
    const [kept] = work.receipts
    if (kept === undefined) throw new Error('no receipt')
    expect(work.correctable(kept)).toBe(true)
    work.reopen(kept)
    expect(form(work)).toMatchObject({ receipt: null, problems, draft: { typed: { line: '02088880001' }, request: '' } })
    expect(work.tab).toBe('form fault')
    work.closeForm('fault')
    expect(work.correctable(kept)).toBe(false)
  })

  it('finds forms and receipts again after a refresh, and asks what became of them', async () => {
    await handIn(await sitDown({ work_open: () => receipt('pending') }))
    const work = await sitDown({ work_request: () => receipt('accepted') })
    expect(sent).toContainEqual(['work_request', { request: 'r1' }])
    expect(work.receipts).toMatchObject([{ request: 'r1', state: 'accepted' }])
    expect(form(work).receipt?.state).toBe('accepted')
    expect(formsOf(ME)).toEqual([])
  })

  it('takes an answer that has overtaken its receipt', async () => {
    const work = await sitDown({
      work_open: () => {
        push(receipt('accepted'))
        return receipt('pending')
      },
    })
    expect((await handIn(work)).receipt?.state).toBe('accepted')
    expect(work.pending).toEqual([])
  })

  it('hands a form in once, however often it is asked to', async () => {
    const work = await sitDown({ work_open: () => receipt('pending') })
    await handIn(work)
    await work.submit(form(work), {}, '')
    expect(sent.filter(([op]) => op === 'work_open')).toHaveLength(1)
  })

  it('shows nothing of one agent to the next', async () => {
    await handIn(await sitDown({ work_open: () => receipt('pending') }))
    const work = await sitDown({}, '2002@shenzhen')
    expect([work.forms, work.receipts, formsOf(ME)]).toEqual([[], [], []])
  })

  it('goes to a neighbour when a tab closes', async () => {
    const work = await sitDown()
    work.openForm('fault')
    work.openItem('w-1')
    work.openItem('w-2')
    work.show('item w-1')
    work.closeItem('w-1')
    expect(work.tab).toBe('item w-2')
    work.closeItem('w-2')
    expect(work.tab).toBe('form fault')
    work.closeForm('fault')
    expect(work.tab).toBe('services')
    work.show('item w-1')
    expect(work.tab).toBe('services')
  })
})
