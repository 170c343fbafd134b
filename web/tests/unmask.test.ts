import { createPinia, setActivePinia } from 'pinia'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { effectScope, nextTick } from 'vue'
import { refusalIn } from '../src/protocol/problem'
import type { SeatState } from '../src/protocol/shapes'
import { LONGEST_REASON, reasonText, SHOWN_MS, useUnmasked } from '../src/seat/unmask'
import { useSeat } from '../src/stores/seat'

describe('the reason of a look', () => {
  it('is a choice, with more in words or without', () => {
    expect(reasonText('visit', '上门服务', ' ')).toBe('上门服务')
    expect(reasonText('visit', '上门服务', ' 明天上午 ')).toBe('上门服务：明天上午')
    expect(reasonText('other', '其他', '法院来函')).toBe('法院来函')
  })

  it('is none without a choice, or where the choice says nothing', () => {
    expect(reasonText('', '', '随便看看')).toBe('')
    expect(reasonText('other', '其他', '  ')).toBe('')
  })

  it('is never longer than a node takes', () => {
    expect(reasonText('other', '其他', '长'.repeat(300))).toHaveLength(LONGEST_REASON)
  })
})

describe('what is shown in full', () => {
  beforeEach(() => {
    setActivePinia(createPinia())
    vi.useFakeTimers()
  })
  afterEach(() => vi.useRealTimers())

  it('is masked again when its time is over', async () => {
    const scope = effectScope()
    const shown = scope.run(() => useUnmasked((reason) => Promise.resolve(`王小明 ${reason}`)))
    await shown?.show('核对')
    expect(shown?.full.value).toBe('王小明 核对')
    vi.advanceTimersByTime(SHOWN_MS - 1)
    expect(shown?.full.value).not.toBeNull()
    vi.advanceTimersByTime(1)
    expect(shown?.full.value).toBeNull()
    scope.stop()
  })

  it('is masked again with the contact, and with the page', async () => {
    const scope = effectScope()
    const seat = useSeat()
    const shown = scope.run(() => useUnmasked(() => Promise.resolve('王小明')))
    await shown?.show('核对')
    seat.state = { calls: [{ contact: 'a' }] } as SeatState
    await nextTick()
    expect(shown?.full.value).toBeNull()
    await shown?.show('核对')
    scope.stop()
    expect(shown?.full.value).toBeNull()
  })

  it('stays masked where it is refused, or comes after it was given up', async () => {
    const scope = effectScope()
    const refused = scope.run(() => useUnmasked(() => Promise.reject(refusalIn({ problem: { slug: 'unmask-not-yours', zh: '不', en: 'no' } }, 403))))
    await expect(refused?.show('核对')).rejects.toThrow('unmask-not-yours')
    expect(refused?.full.value).toBeNull()
    let answer: (text: string) => void = () => undefined
    const late = scope.run(() => useUnmasked(() => new Promise<string>((resolve) => (answer = resolve))))
    const asked = late?.show('核对')
    late?.hide()
    answer('王小明')
    await asked
    expect(late?.full.value).toBeNull()
    scope.stop()
  })
})
