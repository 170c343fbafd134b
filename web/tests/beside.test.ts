import { mount } from '@vue/test-utils'
import type { VueWrapper } from '@vue/test-utils'
import { createPinia, setActivePinia } from 'pinia'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { KeepAlive, defineComponent, h, nextTick } from 'vue'
import { MockBeside } from '../dev/beside'
import { MockRefusal } from '../dev/province'
import { i18n, speak } from '../src/i18n'
import { NO_ANSWER, refusalIn, Refused } from '../src/protocol/problem'
import DirectoryTab from '../src/seat/DirectoryTab.vue'
import { useBeside } from '../src/stores/beside'
import { useSeat } from '../src/stores/seat'

const ME = '1001@guangzhou'
let sent: [string, Record<string, unknown>][]
let mounted: VueWrapper | null = null

/** A seat whose node is the imitated one; `instead` answers before it. */
function sitDown(instead: (op: string) => unknown = () => undefined): ReturnType<typeof useBeside> {
  setActivePinia(createPinia())
  const seat = useSeat()
  const mock = new MockBeside()
  sent = []
  vi.spyOn(seat, 'ask').mockImplementation(async (op, fields = {}) => {
    sent.push([op, fields as Record<string, unknown>])
    const answer = instead(op)
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

function show(tab: typeof DirectoryTab): VueWrapper {
  const page = defineComponent({ render: () => h(KeepAlive, null, { default: () => h(tab, { live: true }) }) })
  mounted = mount(page, { global: { plugins: [i18n] }, attachTo: document.body })
  return mounted
}

async function settled(): Promise<void> {
  for (let i = 0; i < 5; i++) await nextTick()
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
