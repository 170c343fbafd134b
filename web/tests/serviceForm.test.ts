import { mount } from '@vue/test-utils'
import { createPinia, setActivePinia } from 'pinia'
import { afterEach, describe, expect, it } from 'vitest'
import { nextTick, reactive } from 'vue'
import { SERVICES } from '../dev/services'
import { speak } from '../src/i18n'
import type { Problem } from '../src/protocol/shapes'
import { fieldsOf } from '../src/seat/form'
import type { Typed } from '../src/seat/form'
import ServiceForm from '../src/seat/ServiceForm.vue'

const broadband = SERVICES.find((service) => service.id === 'fibre_broadband')
const fields = broadband === undefined ? [] : fieldsOf(broadband.schema)

function open(typed: Typed = {}) {
  setActivePinia(createPinia())
  const state = reactive({ ...typed })
  const wrapper = mount(ServiceForm, {
    attachTo: document.body,
    props: { fields, typed: state, problems: [] as Problem[], onType: (id: string, text: string) => void (state[id] = text) },
  })
  return { wrapper, state, field: (id: string) => wrapper.get(`[data-field="${id}"]`), names: () => wrapper.findAll('[data-field]').map((each) => each.attributes('data-field')) }
}

afterEach(() => {
  speak('zh')
  document.body.innerHTML = ''
})

describe('a form on the screen', () => {
  it('suits the control to the type, and the width to the layout', async () => {
    const { field } = open()
    await nextTick()
    expect(field('speed').findAll('input[type=radio]')).toHaveLength(3)
    expect(field('iptv').findAll('input[type=radio]')).toHaveLength(2)
    expect(field('address').classes()).toContain('wide-4')
    expect(field('address').get('input').attributes('aria-required')).toBe('true')
    expect(field('visit').get('label').attributes('for')).toBe(field('visit').get('input').attributes('id'))
    expect(field('visit').text()).toContain('最早下一个工作日')
  })

  it('shows a conditional field when it is asked, and drops it again', async () => {
    const { field, names, state } = open({ own_modem: 'no' })
    expect(names()).not.toContain('modem_model')
    await field('own_modem').get('input[value=yes]').setValue()
    expect(state['own_modem']).toBe('yes')
    expect(names()).toContain('modem_model')
    await field('own_modem').get('[role=radiogroup]').trigger('keydown', { key: 'Delete' })
    expect(names()).not.toContain('modem_model')
  })

  it('speaks the language of the switch', async () => {
    const { field, wrapper } = open()
    expect(field('term').text()).toContain('合约期')
    speak('en')
    await nextTick()
    expect(field('term').text()).toContain('One year')
    expect(wrapper.findAll('h3').map((each) => each.text())).toEqual(['Place', 'Plan', 'Equipment', 'Appointment'])
  })

  it('does not blame what is not yet typed, before it is handed in', async () => {
    const { wrapper, field } = open({ address: '天河路 385 号' })
    expect(wrapper.text()).not.toContain('必填')
    expect(wrapper.vm.check()).toBe(6)
    await nextTick()
    await nextTick()
    expect(field('speed').text()).toContain('必填')
    expect(field('address').text()).not.toContain('必填')
    expect(document.activeElement?.closest('[data-field]')?.getAttribute('data-field')).toBe('fibre_at_home')
  })

  it('says what is wrong with a field when it is left', async () => {
    const { field } = open({ contact_phone: '12' })
    const input = field('contact_phone').get('input')
    expect(input.attributes('aria-invalid')).toBe('false')
    await nextTick()
    input.element.focus()
    input.element.blur()
    await nextTick()
    expect(input.attributes('aria-invalid')).toBe('true')
    expect(field('contact_phone').get(`[id="${input.attributes('aria-describedby') ?? ''}"]`).text()).toBe('应为 3 至 15 位号码')
  })

  it("puts the node's problems at their fields until these are changed", async () => {
    const { wrapper, field, state } = open({ visit: '2026-11-26' })
    await wrapper.setProps({ problems: [{ slug: 'rule-earliest-day', zh: '最早下一个工作日上门', en: 'The next working day', place: 'visit' }] })
    await nextTick()
    await nextTick()
    expect(field('visit').get('.bad').text()).toBe('最早下一个工作日上门')
    expect(document.activeElement).toBe(field('visit').get('input').element)
    await field('visit').get('input').setValue('12-1')
    expect(field('visit').find('.bad').exists()).toBe(false)
    field('visit').get('input').element.blur()
    await nextTick()
    expect(state['visit']).toMatch(/^\d{4}-12-01$/)
  })
})
