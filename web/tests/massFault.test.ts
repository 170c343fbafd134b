import { describe, expect, it } from 'vitest'
import type { MassFault } from '../src/protocol/shapes'
import { inOrder, stands } from '../src/seat/massFault'

function fault(mass_fault: string, state: MassFault['state'], declared_at: number, cleared_at: number | null = null): MassFault {
  return { mass_fault, state, declared_at, cleared_at } as MassFault
}

describe('mass faults', () => {
  it('stand until somebody clears them', () => {
    expect((['found', 'confirmed', 'repaired', 'rejected'] as const).map((state) => stands(fault('a', state, 0)))).toEqual([true, true, false, false])
  })

  it('that stand come first, the oldest of them first, then what was cleared last', () => {
    const all = [fault('a', 'repaired', 1, 50), fault('b', 'found', 30), fault('c', 'rejected', 2, 60), fault('d', 'confirmed', 20)]
    expect(inOrder(all).map((each) => each.mass_fault)).toEqual(['d', 'b', 'c', 'a'])
  })
})
