import { flushPromises, mount } from '@vue/test-utils'
import { createPinia, setActivePinia } from 'pinia'
import { beforeEach, describe, expect, it, vi } from 'vitest'
import { nextTick } from 'vue'
import { i18n } from '../src/i18n'
import type { CallBack, ItemWhole, SeatState } from '../src/protocol/shapes'
import { refusalIn } from '../src/protocol/problem'
import CallBackButton from '../src/seat/CallBackButton.vue'
import { useSeat } from '../src/stores/seat'

const item = { item: 'w-1', ends: null } as ItemWhole

function call(changed: Partial<CallBack>): CallBack {
  return { contact: 'c', item: 'w-1', owning: 'guangzhou', number: '138****0001', state: 'initiated', outcome: null, talked_s: 0, ...changed }
}

function stand(changed: Partial<SeatState>): SeatState {
  return { presence: 'ready', calls: [], call_back: null, ...changed } as unknown as SeatState
}

function open() {
  return mount(CallBackButton, { props: { item, live: true }, global: { plugins: [i18n] } })
}

describe('the button that calls a customer back', () => {
  beforeEach(() => setActivePinia(createPinia()))

  it('calls by click and by key, once', async () => {
    const seat = useSeat()
    seat.state = stand({})
    const ask = vi.spyOn(seat, 'ask').mockResolvedValue({})
    const shown = open()
    await shown.find('[data-testid="work_call_back"]').trigger('click')
    await flushPromises()
    window.dispatchEvent(new KeyboardEvent('keydown', { key: 'F6' }))
    await flushPromises()
    expect(ask.mock.calls).toEqual([
      ['work_call_back', { item: 'w-1' }],
      ['work_call_back', { item: 'w-1' }],
    ])
    seat.state = stand({ presence: 'alerting' })
    window.dispatchEvent(new KeyboardEvent('keydown', { key: 'F6' }))
    expect(ask).toHaveBeenCalledTimes(2)
    shown.unmount()
    seat.state = stand({})
    window.dispatchEvent(new KeyboardEvent('keydown', { key: 'F6' }))
    expect(ask).toHaveBeenCalledTimes(2)
  })

  it('says when it may be used, and is not there without a seat', async () => {
    const seat = useSeat()
    seat.state = stand({ presence: 'wrap_up' })
    const shown = open()
    expect(shown.find('[data-testid="work_call_back"]').attributes('disabled')).toBeDefined()
    expect(shown.find('[data-testid="call-back-said"]').text()).toBe('示闲或示忙时才能回访')
    seat.state = stand({ presence: 'offline', seat: '' })
    await nextTick()
    expect(shown.find('[data-testid="work_call_back"]').exists()).toBe(false)
    shown.unmount()
  })

  it('says how the call goes and how it ended, in both languages', async () => {
    const seat = useSeat()
    seat.state = stand({ call_back: call({}) })
    const shown = open()
    const said = () => shown.find('[data-testid="call-back-said"]').text()
    i18n.global.locale.value = 'en'
    await nextTick()
    expect(said()).toContain('pick it up')
    i18n.global.locale.value = 'zh'
    await nextTick()
    expect(said()).toContain('请摘机')
    seat.state = stand({ call_back: call({ state: 'delivered' }) })
    await nextTick()
    expect(said()).toBe('客户 138****0001 振铃中')
    seat.state = stand({ call_back: call({ state: 'cleared', outcome: 'busy' }) })
    await nextTick()
    expect(said()).toBe('客户占线')
    expect(shown.emitted('ended')).toHaveLength(1)
  })

  it('tells nothing of a call for another item, and why it was refused', async () => {
    const seat = useSeat()
    seat.state = stand({ call_back: call({ item: 'w-2' }) })
    vi.spyOn(seat, 'ask').mockRejectedValue(refusalIn({ problem: { slug: 'switch-away', zh: '交换机连接中断', en: 'the switch is away' } }, 503))
    const shown = open()
    expect(shown.find('[data-testid="call-back-said"]').text()).toBe('')
    await shown.find('[data-testid="work_call_back"]').trigger('click')
    await flushPromises()
    expect(shown.find('[role="alert"]').text()).toContain('交换机连接中断')
  })
})
