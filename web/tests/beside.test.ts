import { mount } from '@vue/test-utils'
import type { VueWrapper } from '@vue/test-utils'
import { createPinia, setActivePinia } from 'pinia'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { nextTick } from 'vue'
import type { Component } from 'vue'
import { MockBeside } from '../dev/beside'
import { MockRefusal } from '../dev/province'
import { i18n, speak } from '../src/i18n'
import { DISCONNECTED, NO_ANSWER, refusalIn, Refused } from '../src/protocol/problem'
import CustomerSheet from '../src/seat/CustomerSheet.vue'
import CustomerTab from '../src/seat/CustomerTab.vue'
import DirectoryTab from '../src/seat/DirectoryTab.vue'
import KnowledgeTab from '../src/seat/KnowledgeTab.vue'
import { useBeside } from '../src/stores/beside'
import { useSeat } from '../src/stores/seat'
import { useWork } from '../src/stores/work'
import type { CustomerCard, SeatState } from '../src/protocol/shapes'

const ME = '1001@guangzhou'
let sent: [string, Record<string, unknown>][]
let mounted: VueWrapper | null = null

/** A seat whose node is the imitated one; `instead` answers before it, or makes it wait. */
function sitDown(instead: (op: string) => unknown = () => undefined): ReturnType<typeof useBeside> {
  setActivePinia(createPinia())
  const seat = useSeat()
  const mock = new MockBeside()
  sent = []
  vi.spyOn(seat, 'ask').mockImplementation(async (op, fields = {}) => {
    sent.push([op, fields as Record<string, unknown>])
    const answer = await instead(op)
    if (answer instanceof Error) throw answer
    try {
      return answer ?? mock.act(ME, op, fields as Record<string, unknown>)
    } catch (thrown) {
      if (thrown instanceof MockRefusal) throw refusalIn({ problem: thrown.problem }, thrown.status)
      throw thrown
    }
  })
  return useBeside()
}

function show(tab: Component): VueWrapper {
  mounted = mount(tab, { props: { live: true, shown: true }, global: { plugins: [i18n] }, attachTo: document.body })
  return mounted
}

async function settled(): Promise<void> {
  for (let i = 0; i < 24; i++) await nextTick()
}

beforeEach(() => {
  window.sessionStorage.clear()
  speak('zh')
})
afterEach(() => {
  mounted?.unmount()
  mounted = null
})

function refusal(slug: string): Refused {
  return refusalIn({ problem: { slug, zh: '', en: '' } }, 404)
}

describe('what there is beside the call', () => {
  it('is asked for once, and not again where it is absent', async () => {
    const beside = sitDown(() => refusal('unknown-operation'))
    await beside.learn()
    const before = sent.length
    await beside.learn()
    expect([beside.has('directory'), sent.length]).toEqual([false, before])
  })

  it('is not for every role', async () => {
    const beside = sitDown(() => refusal('not-your-role'))
    await beside.learn()
    expect(beside.has('directory')).toBe(false)
  })

  it('is not even tried with customers by those who may not see them', async () => {
    const beside = sitDown()
    useSeat().state = { agent: ME, roles: ['crew'], calls: [] } as unknown as SeatState
    await beside.learn()
    expect([beside.has('customer'), beside.has('knowledge')]).toEqual([false, true])
    expect(sent.map(([op]) => op)).not.toContain('card')
  })

  it('is asked for again where there was no answer', async () => {
    let silent = true
    const beside = sitDown(() => (silent ? new Refused(NO_ANSWER) : undefined))
    await beside.learn()
    expect(beside.has('directory')).toBe(false)
    silent = false
    await beside.learn()
    expect(beside.has('directory')).toBe(true)
  })

  it('is forgotten with the agent, also what is answered late', async () => {
    const beside = sitDown()
    const late = beside.learn()
    beside.end()
    await late
    expect(beside.has('directory')).toBe(false)
  })
})

describe('directory enquiry', () => {
  it('looks up, pages and copies by the keyboard', async () => {
    sitDown()
    const copied = vi.fn(async () => undefined)
    vi.stubGlobal('navigator', { clipboard: { writeText: copied } })
    const page = show(DirectoryTab)
    const input = page.get('input[name=directory-text]')
    await input.setValue('0')
    await input.trigger('keydown', { key: 'Enter' })
    await settled()
    expect(page.findAll('.entry:not(.next)')).toHaveLength(20)
    expect(sent).toEqual([['directory', { text: '0', city: '', token: null }]])
    await input.trigger('keydown', { key: 'ArrowDown' })
    await input.trigger('keydown', { key: 'Enter' })
    await settled()
    expect(copied).toHaveBeenCalledWith(page.findAll('.entry b')[1]?.text())
    for (let i = 0; i < 3; i++) await input.trigger('keydown', { key: 'PageDown' })
    await input.trigger('keydown', { key: 'Enter' })
    await settled()
    expect(sent.at(-1)).toEqual(['directory', { text: '0', city: '', token: '20' }])
    expect(page.findAll('.entry:not(.next)').length).toBeGreaterThan(20)
    vi.unstubAllGlobals()
  })

  it('says whether it is from the copy, of which city and as of when, in both languages', async () => {
    sitDown((op) => (op === 'directory' ? { entries: [], token: null, more: false, whose: null, unread: 0, parts: [{ city: 'shenzhen', as_of: 0, copy: true }], missing: [] } : undefined))
    const page = show(DirectoryTab)
    await page.get('input').setValue('图书馆')
    await page.get('input').trigger('keydown', { key: 'Enter' })
    await settled()
    expect(page.get('[data-testid=as-of]').text()).toBe('查的是副本：shenzhen，截至 01-01 08:00')
    speak('en')
    await settled()
    expect(page.get('[data-testid=as-of]').text()).toBe('Looked up in the copy: shenzhen, as of 01-01 08:00')
  })

  it('says when nothing is listed, and which city did not answer', async () => {
    sitDown()
    const page = show(DirectoryTab)
    await page.get('input').setValue('999')
    await page.get('input').trigger('keydown', { key: 'Enter' })
    await settled()
    expect(page.get('[data-testid=directory-whose]').text()).toBe('没有登记这个号码')
    await page.get('input').setValue('白云')
    await page.get('input').trigger('keydown', { key: 'Enter' })
    await settled()
    expect(page.find('[data-testid=missing]').exists()).toBe(false)
    await page.get('[data-testid=directory-look]').trigger('click')
    expect(sent.at(-1)?.[1]).toEqual({ text: '白云', city: '', token: null })
  })
})

describe('knowledge', () => {
  it('shows what belongs to the form, field first, then what is looked for', async () => {
    const beside = sitDown()
    beside.looking = { form: 'f', topics: ['order/fibre'], field: 'fault/line' }
    const page = show(KnowledgeTab)
    await settled()
    expect(page.findAll('.hit strong').map((each) => each.text())).toEqual(['测线结果怎样看', '光纤宽带受理须知', '上门时间怎样约'])
    await page.get('input').setValue('帐单')
    await settled()
    expect(page.findAll('.hit strong').map((each) => each.text())).toEqual(['帐单怎样解释'])
    await page.get('input').trigger('keydown', { key: 'Enter' })
    await settled()
    expect(page.get('[data-testid=article]').text()).toContain('旧址与新址')
    await page.get('[data-testid=useful]').trigger('click')
    await settled()
    expect(sent.at(-1)).toEqual(['article_vote', { article: 'enquiry-bill', useful: true, contact: '' }])
  })

  it('puts what is different here before the text', async () => {
    const beside = sitDown()
    beside.reading = 'order-fibre'
    const page = show(KnowledgeTab)
    await settled()
    const text = page.get('[data-testid=article]').text()
    expect(text.indexOf('楼宇编号')).toBeLessThan(text.indexOf('受理前请核对'))
    expect(text).toContain('楼宇编号')
  })

  it('takes a question without an answer once', async () => {
    const beside = sitDown()
    await beside.learn()
    const page = show(KnowledgeTab)
    await page.get('input').setValue('小灵通停用了吗')
    await settled()
    await page.get('[data-testid=knowledge-missing]').trigger('click')
    await settled()
    expect(page.get('[data-testid=knowledge-handed]').text()).toContain('已受理')
    expect(sent.at(-1)).toEqual(['knowledge_missing', { text: '小灵通停用了吗', topic: '', contact: '' }])
  })
})

/** A door that answers wait behind until it is opened. */
function gate(): { passed: Promise<undefined>; open: () => void } {
  let open = (): void => undefined
  const passed = new Promise<undefined>((resolve) => {
    open = () => resolve(undefined)
  })
  return { passed, open }
}

function talking(...contacts: string[]): SeatState {
  return { agent: ME, calls: contacts.map((contact) => ({ contact, calling: '020****0001', state: 'talking' })) } as unknown as SeatState
}

describe('the customer', () => {
  /** A call from a number that one customer has. */
  async function called(instead: (op: string) => unknown = () => undefined): Promise<VueWrapper> {
    const beside = sitDown(instead)
    await beside.learn()
    useSeat().state = talking('c1')
    const page = show(CustomerTab)
    await settled()
    return page
  }

  async function look(page: VueWrapper, text: string): Promise<void> {
    await page.get('input[name=customer-text]').setValue(text)
    await page.get('input[name=customer-text]').trigger('keydown', { key: 'Enter' })
    await settled()
  }

  it('who is looked for stays on the screen, however late it is known who calls', async () => {
    const late = gate()
    let asked = 0
    const page = await called((op) => (op === 'customers' && ++asked === 1 ? late.passed : undefined)) // the first is about the caller
    await look(page, '020-8888 0002')
    await page.get('[data-testid=customer-check]').trigger('click')
    late.open()
    await settled()
    expect(useBeside().caller?.whole?.card?.customer).toBe('17')
    expect(page.get<HTMLInputElement>('input[name=customer-text]').element.value).toBe('020-8888 0002')
    expect(page.get('[data-testid=due]').text()).toBe('214.20 元')
  })

  it('that is not looked for yet keeps what was typed when the caller is known', async () => {
    const late = gate()
    const page = await called((op) => (op === 'customers' ? late.passed : undefined))
    await page.get('input[name=customer-text]').setValue('020-88')
    late.open()
    await settled()
    expect(page.find('[data-testid=customer-sheet]').exists()).toBe(true)
    expect(page.get<HTMLInputElement>('input[name=customer-text]').element.value).toBe('020-88')
  })

  it('is put away with the call', async () => {
    const page = await called()
    await look(page, '020-8888 0002')
    expect(page.find('[data-testid=customer-sheet]').exists()).toBe(true)
    useSeat().state = talking()
    await settled()
    expect(page.find('[data-testid=customer-sheet]').exists()).toBe(false)
    expect(page.get<HTMLInputElement>('input[name=customer-text]').element.value).toBe('')
  })

  it('has no amounts that come after the call', async () => {
    const late = gate()
    let cards = 0
    const beside = sitDown((op) => (op === 'card' && ++cards === 2 ? late.passed : undefined)) // the second is asked with amounts
    useSeat().state = talking('c1')
    const whole = await beside.wholeCard({ customer: '17', city: 'guangzhou' })
    mounted = mount(CustomerSheet, { props: { card: whole.card as CustomerCard, whole, numbers: ['020****0001'], live: true }, global: { plugins: [i18n] } })
    await mounted.get('[data-testid=customer-check]').trigger('click')
    await settled()
    expect(cards).toBe(2)
    useSeat().state = talking()
    late.open()
    await settled()
    expect(mounted.get('[data-testid=due]').text()).toBe('＊＊')
  })

  it('has the amounts after a break of the connection just when they are asked for', async () => {
    let broken = false
    const page = await called((op) => (op === 'card' && broken ? new Refused(DISCONNECTED) : undefined))
    broken = true
    await page.get('[data-testid=customer-check]').trigger('click')
    await settled()
    expect(page.get('[data-testid=due]').text()).toBe('＊＊')
    await page.setProps({ live: false })
    broken = false
    await page.setProps({ live: true })
    await settled()
    expect(page.get('[data-testid=due]').text()).toBe('214.20 元')
    expect(page.find('.notice.bad').exists()).toBe(false)
  })

  it('keeps the amounts when another line is checked in the same call', async () => {
    const page = await called()
    await page.get('[data-testid=customer-check]').trigger('click')
    await settled()
    await useWork().checkIdentity('02088880009')
    await settled()
    expect(useWork().isChecked('020****0001')).toBe(true)
    expect(page.get('[data-testid=due]').text()).toBe('214.20 元')
  })

  it('is checked by a line of theirs only, not by a number they are reached at', async () => {
    let asked = 0
    const nobody = { customers: [], more: false, parts: [], missing: [] }
    const page = await called((op) => (op === 'customers' && ++asked === 1 ? nobody : undefined)) // somebody else's telephone calls
    await look(page, '13800000001')
    expect(page.find('[data-testid=customer-sheet]').exists()).toBe(true)
    expect(page.find('[data-testid=customer-check]').exists()).toBe(false)
    expect(page.get('[data-testid=customer-sheet] dl').text()).toContain('请按客户名下的一个号码（连区号）查')
  })

  it('who calls is asked for once more after a break', async () => {
    let broken = true
    const beside = sitDown((op) => (op === 'customers' && broken ? new Refused(DISCONNECTED) : undefined))
    useSeat().status = 'live'
    await beside.learn()
    await settled()
    useSeat().state = talking('c1')
    await settled()
    expect(beside.caller).toBeNull()
    useSeat().status = 'lost'
    await settled()
    broken = false
    useSeat().status = 'live'
    await settled()
    expect(beside.caller?.whole?.card?.customer).toBe('17')
  })

  it('who calls is shown, without amounts until the identity was checked', async () => {
    const page = await called()
    expect(page.get('[data-testid=needs]').text()).toContain('老年人')
    expect(page.get('[data-testid=customer-sheet]').text()).not.toMatch(/169|214/)
    await page.get('[data-testid=customer-check-how]').setValue('service_password')
    await page.get('[data-testid=customer-check]').trigger('click')
    await settled()
    expect(sent).toContainEqual(['identity_checked', { contact: 'c1', line: '020****0001', how: 'service_password' }])
    expect(page.get('[data-testid=overdue]').text()).toBe('169 元')
  })

  it('of several is chosen, and its amounts stay hidden: nobody has shown to be that one', async () => {
    const page = await called()
    await page.get('[data-testid=customer-check]').trigger('click')
    await page.get('input').setValue('王')
    await page.get('input').trigger('keydown', { key: 'Enter' })
    await settled()
    expect(page.findAll('.one')).toHaveLength(2)
    await page.get('input').trigger('keydown', { key: 'ArrowDown' })
    await page.get('input').trigger('keydown', { key: 'Enter' })
    await settled()
    expect(page.find('[data-testid=needs]').exists()).toBe(false)
    expect(page.get('[data-testid=due]').text()).toBe('＊＊')
    expect(page.find('[data-testid=customer-check]').exists()).toBe(false)
  })

  it('has lines that can be taken for the matter where their number is known whole', async () => {
    const page = await called()
    expect(page.findAll('[data-testid=customer-line] button')).toHaveLength(1)
    await page.get('input').setValue('020-8888 0002')
    await page.get('input').trigger('keydown', { key: 'Enter' })
    await settled()
    const buttons = page.findAll('[data-testid=customer-line] button')
    await buttons.at(-1)?.trigger('click')
    expect(useWork().line).toBe('02088880002')
  })

  it('says of each part from which city it is and as of when, in both languages', async () => {
    const page = await called()
    expect(page.get('[data-testid=as-of]').text()).toMatch(/^客户、号码、帐单、来往、在办工单：guangzhou，截至 \d\d:\d\d:\d\d$/)
    speak('en')
    await settled()
    expect(page.get('[data-testid=as-of]').text()).toMatch(/^customer, lines, bills, contacts, open work: guangzhou, as of \d\d:\d\d:\d\d$/)
  })

  it('is looked for in all cities, and the silent one is named', async () => {
    const page = await called()
    await page.get('input[name=customer-everywhere]').setValue(true)
    await page.get('input[name=customer-text]').setValue('王')
    await page.get('input[name=customer-text]').trigger('keydown', { key: 'Enter' })
    await settled()
    expect(sent.at(-1)).toEqual(['customers', { text: '王', everywhere: true }])
    expect(page.findAll('.one')).toHaveLength(4)
    expect(page.get('[data-testid=missing]').text()).toBe('foshan没有答复，这里可能不全：没有在两秒内答复')
    await page.findAll('.one').at(-1)?.trigger('click')
    await settled()
    expect(sent.at(-1)).toEqual(['card', { customer: '18', city: 'shenzhen' }])
    expect(page.get('[data-testid=as-of]').text()).toContain('shenzhen')
  })

  it('of a city that is away is what is known here, with the parts that are missing', async () => {
    const problem = { slug: 'city-silent', zh: '没有应答', en: 'silent' }
    const parts = ['customer', 'bills'].map((part) => ({ part, city: 'foshan', problem }))
    sitDown((op) => {
      if (op === 'customers') return { customers: [], more: false, parts: [], missing: [{ city: 'foshan', problem }] }
      return op === 'card' ? { card: null, contacts: [], items: [], parts: [{ part: 'items', city: 'guangzhou', as_of: 0 }], missing: parts } : undefined
    })
    const page = show(CustomerTab)
    await page.get('input[name=customer-text]').setValue('075781230001')
    await page.get('input[name=customer-text]').trigger('keydown', { key: 'Enter' })
    await settled()
    expect(sent.at(-1)).toEqual(['card', { line: '075781230001' }])
    expect(page.get('[data-testid=known-here]').text()).toContain('缺客户、帐单：foshan，没有应答')
    expect(page.get('[data-testid=known-here] [data-testid=as-of]').text()).toBe('在办工单：guangzhou，截至 01-01 08:00')
  })

  it('has bills item by item once the identity was checked', async () => {
    const page = await called()
    expect(page.find('[data-testid=itemise]').exists()).toBe(false)
    await page.get('[data-testid=customer-check]').trigger('click')
    await settled()
    await page.get('[data-testid=itemise]').trigger('click')
    await settled()
    expect(sent.at(-1)).toEqual(['statement', { customer: '17', city: 'guangzhou' }])
    expect(page.get('[data-testid=statement]').text()).toContain('市话费')
  })
})
