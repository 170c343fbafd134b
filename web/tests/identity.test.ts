import { flushPromises } from '@vue/test-utils'
import { createPinia, setActivePinia } from 'pinia'
import { describe, expect, it, vi } from 'vitest'
import type { SeatState } from '../src/protocol/shapes'
import { useSeat } from '../src/stores/seat'
import { useWork } from '../src/stores/work'

const CHECKED = '02010000001'
const ALIKE = '02020000001'

describe('a check of identity that was made elsewhere', () => {
  it('holds for the number that the node says, and not for one that looks like it', async () => {
    setActivePinia(createPinia())
    const seat = useSeat()
    const work = useWork()
    const call = { contact: 'c1', state: 'talking', calling: '', identity: [{ city: 'guangzhou', line: '020****0001', how: 'id_card', agent: null, at: 1 }] }
    seat.state = { calls: [call] } as unknown as SeatState
    const ask = vi.fn((_op: string, fields?: object) => Promise.resolve({ checked: (fields as { line: string }).line === CHECKED }))
    seat.ask = ask
    const holds = () => [CHECKED, ALIKE, '075588880001'].map((line) => work.isChecked(line))
    expect(holds()).toEqual([false, false, false]) // until the node has answered
    holds()
    await flushPromises()
    expect(holds()).toEqual([true, false, false])
    expect(ask.mock.calls).toEqual([
      ['identity_of', { contact: 'c1', line: CHECKED }],
      ['identity_of', { contact: 'c1', line: ALIKE }],
    ])
  })
})
