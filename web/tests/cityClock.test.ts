import { mount } from '@vue/test-utils'
import { createPinia, setActivePinia } from 'pinia'
import { beforeEach, describe, expect, it, vi } from 'vitest'
import { i18n, speak } from '../src/i18n'
import type { SeatState } from '../src/protocol/shapes'
import DayField from '../src/seat/DayField.vue'
import DueTime from '../src/seat/DueTime.vue'
import { moment } from '../src/shared/clock'
import { useSeat } from '../src/stores/seat'

/** Half past nine of a simulated morning, whatever the hour outside. */
const MORNING = 1_795_743_000

describe("the city's clock", () => {
  beforeEach(() => {
    vi.restoreAllMocks()
    setActivePinia(createPinia())
    speak('zh')
  })

  function attached(at: number | undefined): ReturnType<typeof useSeat> {
    const seat = useSeat()
    seat.state = { calls: [], ...(at === undefined ? {} : { at }) } as unknown as SeatState
    seat.receivedAt = moment()
    return seat
  }

  it('goes on from what the node has said', () => {
    const seat = attached(MORNING)
    expect(seat.wallAt(seat.receivedAt + 90_000)).toBe(MORNING + 90)
  })

  it('is that of this machine where the node says nothing', () => {
    attached(undefined)
    expect(Math.abs(useSeat().wallAt() - Date.now() / 1000)).toBeLessThan(1)
  })

  it('is what deadlines run by', () => {
    attached(MORNING)
    const due = mount(DueTime, { props: { dueAt: MORNING + 3600.5, ends: null }, global: { plugins: [i18n] } })
    expect(due.text()).toBe('剩 1 小时 0 分')
    expect(due.find('.late').exists()).toBe(false)
    due.unmount()
  })

  it('says which day it is where a day is typed, whatever this machine thinks', async () => {
    vi.useFakeTimers({ toFake: ['Date'], now: Date.parse('2031-01-01T00:00:00Z') })
    attached(MORNING)
    const field = mount(DayField, { props: { modelValue: '明天', fieldId: 'day', name: 'day', disabled: false }, global: { plugins: [i18n] } })
    await field.find('input[name=day]').trigger('focus')
    await field.find('input[name=day]').trigger('blur')
    expect(field.emitted('update:modelValue')).toEqual([['2026-11-28']])
    await field.setProps({ modelValue: '' })
    await field.find('input[name=day]').trigger('keydown', { key: 'ArrowUp' })
    expect(field.emitted('update:modelValue')?.[1]).toEqual(['2026-11-27'])
    field.unmount()
    vi.useRealTimers()
  })
})
