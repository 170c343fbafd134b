/** Work items of the imitated province. Those of the agent's own city are written at once, other cities answer after a while. */

import { accepts, askedOf, fieldsOf, textOf } from '../src/seat/form.ts'
import { day } from '../src/shared/format.ts'
import type { ItemShort, ItemStep, ItemWhole, Problem, Receipt, ServiceShort, ServiceState, ServiceWhole, Value } from '../src/protocol/shapes.ts'
import { CITIES, MockRefusal } from './province.ts'
import { SERVICES } from './services.ts'

const ANSWER_AFTER_S = 4

interface MockItem extends ItemWhole {
  whole: ServiceWhole
}
type Fields = Record<string, unknown>

function at(): number {
  return Date.now() / 1000
}

function text(fields: Fields, name: string): string {
  return typeof fields[name] === 'string' ? fields[name] : ''
}

function shortOf({ id, reference, zh, en, group, skill, makes_work, answers, doors, chosen, today }: ServiceWhole): ServiceShort {
  return { id, reference, zh, en, group, skill, makes_work, ...(answers === undefined ? {} : { answers }), doors, chosen, today }
}

function refuse(slug: string, zh: string, en: string, place = '', status = 409): never {
  throw new MockRefusal(status, slug, zh, en, place)
}

export class MockWork {
  private readonly items: MockItem[] = []
  private readonly receipts = new Map<string, Receipt>()
  private readonly later: { due: number; who: string; receipt: Receipt; run: () => void }[] = []
  private readonly services: ServiceWhole[]
  private counter = 0
  /** a receipt of another city has come */
  answered: (who: string, receipt: Receipt) => void = () => undefined

  constructor(services: ServiceWhole[] = SERVICES) {
    this.services = services
    if (services === SERVICES) this.seed()
  }

  /** Lets the other cities answer. */
  step(): void {
    for (const each of this.later.splice(0)) {
      if (each.due > at()) {
        this.later.push(each)
        continue
      }
      const receipt = { ...each.receipt, ...this.outcome(each.run) }
      this.receipts.set(receipt.request, receipt)
      this.answered(each.who, receipt)
    }
  }

  knows(op: string): boolean {
    return ['services', 'service', 'identity_checked'].includes(op) || op.startsWith('work_')
  }

  act(who: string, op: string, fields: Fields): object {
    if (this.services.length === 0) refuse('unknown-operation', '没有此操作', 'there is no such operation', op, 404)
    const city = who.split('@')[1] ?? ''
    if (op === 'services') return { services: this.services.map(shortOf) }
    if (op === 'service') return { service: this.service(text(fields, 'service')) }
    if (op === 'work_items') return { items: this.listed(who, city, fields), more: 0, parts: [{ city, as_of: at() }], missing: [] }
    if (op === 'identity_checked') return {}
    if (op === 'work_attachments') return { attachments: [], missing: [] }
    if (op === 'work_item') return { item: this.whole(this.item(text(fields, 'item')), fields['unmask'] === true), from: city, as_of: at(), missing: [] }
    if (op === 'work_request') return this.receipts.get(text(fields, 'request')) ?? refuse('unknown-request', '没有此请求', 'there is no such request', 'request', 404)
    if (op === 'work_open') return this.open(who, city, fields)
    const item = this.item(text(fields, 'item'))
    return this.hand(who, city, item.owning, item.item, () => this.move(who, item, op, fields))
  }

  private service(id: string): ServiceWhole {
    return this.services.find((each) => each.id === id) ?? refuse('unknown-service', '没有此业务', 'there is no such service', 'service', 404)
  }

  private item(id: string): MockItem {
    return this.items.find((each) => each.item === id) ?? refuse('unknown-item', '没有此工单', 'there is no such work item', 'item', 404)
  }

  private listed(who: string, city: string, fields: Fields): ItemShort[] {
    const line = text(fields, 'line')
    const mine = this.items.filter((item) =>
      line !== '' ? item.line === line : fields['mine'] === true ? item.assignee === who && item.ends === null : item.owning === city && item.assignee === null && item.ends === null,
    )
    return mine.sort((a, b) => Number(b.pressed) - Number(a.pressed) || (a.due_at ?? Infinity) - (b.due_at ?? Infinity)).map((item) => this.whole(item))
  }

  private whole(item: MockItem, inFull = false): ItemWhole {
    const { whole, ...rest } = item
    const line = inFull ? rest.line : rest.line.replace(/^(\d{3})\d+(\d{4})$/, '$1****$2')
    const personal = fieldsOf(whole.schema).filter((field) => field.personal)
    const values = Object.fromEntries(Object.entries(rest.values).map(([id, value]) => [id, !inFull && personal.some((field) => field.id === id) ? `${String(value).slice(0, 3)}****` : value]))
    const possible = item.ends === null ? whole.actions.filter((action) => action.from.includes(item.state) && action.roles.includes('agent')).map((action) => action.id) : []
    const asking = possible.filter((id) => whole.actions.some((action) => action.id === id && action.asks_satisfaction))
    return { ...rest, line, masked: !inFull, values, possible, asks_satisfaction: asking, late: item.due_at !== null && item.due_at < at() }
  }

  private hand(who: string, city: string, owning: string, item: string, run: () => void): Receipt {
    this.counter += 1
    const area = CITIES.find((each) => each.city === city)?.area ?? '0000'
    const request = `${area}-7f3a9c21-${String(this.counter).padStart(6, '0')}`
    const receipt: Receipt = { request, item: item === '' ? `w-${request}` : item, owning, state: 'accepted', problems: [] }
    if (owning === city) run()
    else {
      receipt.state = 'pending'
      this.later.push({ due: at() + ANSWER_AFTER_S, who, receipt, run })
    }
    this.receipts.set(request, receipt)
    return receipt
  }

  private outcome(run: () => void): Pick<Receipt, 'state' | 'problems'> {
    try {
      run()
      return { state: 'accepted', problems: [] }
    } catch (thrown) {
      if (!(thrown instanceof MockRefusal)) throw thrown
      return { state: 'refused', problems: [...thrown.problems] }
    }
  }

  private open(who: string, city: string, fields: Fields): Receipt {
    const whole = this.service(text(fields, 'service'))
    const line = text(fields, 'line')
    const byLine = CITIES.find((each) => line.startsWith(each.area.replace(/^00/, '0')))?.city
    const owning = text(fields, 'owning') || byLine || city
    const values = (fields['values'] ?? {}) as Record<string, Value>
    const next = `w-${CITIES.find((each) => each.city === city)?.area ?? '0000'}-7f3a9c21-${String(this.counter + 1).padStart(6, '0')}`
    return this.hand(who, city, owning, '', () => {
      this.check(whole, values)
      this.write(whole, next, owning, line, text(fields, 'customer'), values, who, text(fields, 'contact'), text(fields, 'again_of'))
    })
  }

  private check(whole: ServiceWhole, values: Record<string, Value>): void {
    const fields = fieldsOf(whole.schema)
    const typed = Object.fromEntries(fields.filter((field) => field.id in values).map((field) => [field.id, textOf(field, values[field.id] ?? '')]))
    const problems: Problem[] = []
    for (const field of askedOf(fields, typed)) {
      const value = values[field.id]
      if (value === undefined && field.required) problems.push({ slug: 'field-missing', zh: `${field.zh}：必填`, en: `${field.en}: needed`, place: field.id })
      if (value !== undefined && !accepts(field.schema, value)) problems.push({ slug: 'field-form', zh: `${field.zh}：值不可用`, en: `${field.en}: this value is not accepted`, place: field.id })
    }
    if (typeof values['visit'] === 'string' && values['visit'] <= day(Date.now() / 1000)) {
      problems.push({ slug: 'rule-earliest-day', zh: '最早下一个工作日上门', en: 'The visit is the next working day at the earliest', place: 'visit' })
    }
    if (String(values['address'] ?? '').includes('沙面')) problems.push({ slug: 'rule-no-arrears', zh: '该用户有欠费，请先缴清', en: 'The customer is in arrears; these are to be paid first', place: whole.id })
    const [first, ...rest] = problems
    if (first !== undefined) throw new MockRefusal(400, first.slug, first.zh, first.en, first.place, rest)
  }

  private write(whole: ServiceWhole, id: string, owning: string, line: string, customer: string, values: Record<string, Value>, who: string, contact: string, again: string): MockItem {
    const [first] = whole.states
    const item: MockItem = {
      whole,
      item: id,
      service: whole.reference,
      zh: whole.zh,
      en: whole.en,
      group: whole.group,
      owning,
      line,
      customer,
      state: '',
      state_zh: '',
      state_en: '',
      ends: null,
      opened_at: at(),
      since: at(),
      due_at: null,
      late: false,
      masked: true,
      missed: 0,
      pressed: false,
      assignee: null,
      parked_until: null,
      waits_for_role: null,
      revision: 0,
      values,
      possible: [],
      called_back: false,
      opened_by: { agent: who, role: 'agent', city: who.split('@')[1] ?? '', contact: contact || null },
      again_of: again || null,
      steps: [],
      charges: [],
      messages: [],
    }
    if (first !== undefined) this.turn(item, first)
    this.note(item, who, 'opened', {})
    this.items.push(item)
    return item
  }

  private turn(item: MockItem, state: ServiceState): void {
    Object.assign(item, { state: state.id, state_zh: state.zh, state_en: state.en, ends: state.ends, since: at(), called_back: false, parked_until: null })
    item.due_at = state.within_s === null ? null : at() + state.within_s
    item.waits_for_role = state.ends === null ? state.role : null
    if (state.ends !== null) item.assignee = null
  }

  private note(item: MockItem, who: string, step: string, more: Partial<ItemStep>): void {
    const by = who.split('@')[1] ?? item.owning
    item.steps.push({ step, at: at(), by: who, city: by, role: 'agent', action: null, zh: null, en: null, note: '', to: null, until: null, reached: null, collected_fen: 0, overtaken: false, ...more })
    item.revision += 1
  }

  private move(who: string, item: MockItem, op: string, fields: Fields): void {
    const note = text(fields, 'note')
    const wantsNote = () => note.trim() !== '' || refuse('work-note', '须写明说明', 'a note is needed', item.item, 400)
    if (item.ends !== null && op !== 'work_note') refuse('work-ended', '工单已结束；如事情又出现，请新建并关联', 'the item has ended; open a new one that refers to it', item.item)
    switch (op) {
      case 'work_act':
        return this.acted(who, item, fields, note)
      case 'work_take':
        if (item.assignee !== null && item.assignee !== who) refuse('work-not-yours', '工单已在他人手中，只有班长可改派', 'somebody else has the item; a supervisor may hand it on', item.item)
        item.assignee = who
        return this.note(item, who, 'assigned', { to: who })
      case 'work_give_back':
        item.assignee = null
        return this.note(item, who, 'assigned', { to: null })
      case 'work_park':
        wantsNote()
        item.parked_until = at() + Number(fields['for_s'])
        if (item.due_at === null || item.parked_until > item.due_at) refuse('work-park', '暂存须晚于现在，不晚于时限', 'parked until later than now, and not beyond the deadline', item.item)
        return this.note(item, who, 'parked', { note, until: item.parked_until })
      case 'work_note':
        wantsNote()
        return this.note(item, who, 'noted', { note })
      case 'work_called_back':
        wantsNote()
        item.called_back ||= fields['reached'] === true
        return this.note(item, who, 'called_back', { reached: fields['reached'] === true, how: 'other', note })
      case 'work_press':
        return refuse('not-your-role', '您的角色不能这样操作', 'your role may not do this', '', 403)
      default:
        refuse('unknown-operation', '没有此操作', 'there is no such operation', op, 404)
    }
  }

  private acted(who: string, item: MockItem, fields: Fields, note: string): void {
    const action = item.whole.actions.find((each) => each.id === fields['action'])
    const to = item.whole.states.find((each) => each.id === action?.to)
    if (action === undefined || to === undefined || !action.from.includes(item.state)) refuse('work-action', '现在不能这样做', 'not possible now', item.item)
    if (action.note_required && note.trim() === '') refuse('work-note', '须写明说明', 'a note is needed', item.item, 400)
    if (action.after_call_back && !item.called_back) refuse('work-call-back', '须先回访到客户', 'the customer has to be called back and reached first', item.item)
    const mark = fields['satisfaction'] ?? null
    if (action.asks_satisfaction && ![0, 1, 2, 3, 4, 5].includes(mark as number)) refuse('satisfaction-missing', '须记满意度', 'how satisfied the customer is has to be written down', 'satisfaction', 400)
    const values = { ...item.values, ...(fields['values'] as Record<string, Value | null>) }
    const kept = Object.fromEntries(Object.entries(values).filter((each): each is [string, Value] => each[1] !== null))
    this.check(item.whole, kept)
    item.values = kept
    this.turn(item, to)
    this.note(item, who, 'acted', { action: action.id, zh: action.zh, en: action.en, note, satisfaction: typeof mark === 'number' ? mark : null })
  }

  /** Something in every list from the start. */
  private seed(): void {
    const write = (service: string, owning: string, line: string, values: Record<string, Value>, hoursLeft: number, assignee: string | null = null) => {
      this.counter += 1
      const area = CITIES.find((each) => each.city === owning)?.area ?? ''
      const item = this.write(this.service(service), `w-${area}-7f3a9c21-${String(this.counter).padStart(6, '0')}`, owning, line, '', values, `${owning === 'guangzhou' ? 1002 : 2002}@${owning}`, '', '')
      item.due_at = at() + hoursLeft * 3600
      item.assignee = assignee
      return item
    }
    const broadband = { address: '天河路 385 号', speed: 'm500', term: 'one', fibre_at_home: true, own_modem: false, visit: '2026-12-01', visit_half: 'morning', contact_phone: '13800138000' }
    for (const city of ['guangzhou', 'shenzhen']) {
      const me = city === 'guangzhou' ? '1001@guangzhou' : '2001@shenzhen'
      const area = city === 'guangzhou' ? '020' : '0755'
      write('fibre_broadband', city, `${area}88880001`, broadband, 1.6)
      write('fault', city, `${area}88880002`, { line: `${area}88880002`, kind: 'dead', reach: '13900139000', words: '昨晚雷雨后无拨号音，隔壁正常' }, -0.3, me)
      const pressed = write('complaint', city, `${area}88880003`, { about: 'bill', amount: 12850, months: 2, words: '对三月帐单的长途费有异议，要求核查话单并退费' }, 5)
      pressed.pressed = true
      const waiting = write('fault', city, `${area}88880001`, { line: `${area}88880001`, kind: 'slow', reach: '13900139000' }, 3, me)
      this.move(me, waiting, 'work_act', { action: 'send', note: '测试：线路环阻偏高', values: {} })
      this.move(me, waiting, 'work_act', { action: 'repaired', values: {} })
    }
  }
}
