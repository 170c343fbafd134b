import { describe, expect, it } from 'vitest'
import type { AgentPicture, CityNow, ItemShort } from '../src/protocol/shapes'
import { byState, counts, figuresOfWork, overdue, secondsOf } from '../src/seat/supervise'

function agent(name: string, state: string, since_s: number): AgentPicture {
  return { agent: name, state, since_s } as AgentPicture
}

describe("the supervisor's desk", () => {
  it('shows those at work first, and who is longest in a state', () => {
    const all = [agent('a', 'not_ready', 9), agent('b', 'talking', 5), agent('c', 'ready', 1), agent('d', 'talking', 50), agent('e', 'alerting', 2)]
    expect(byState(all).map((each) => each.agent)).toEqual(['e', 'd', 'b', 'c', 'a'])
    expect(counts({ agents: all } as unknown as CityNow)).toEqual([
      { state: 'alerting', n: 1 },
      { state: 'talking', n: 2 },
      { state: 'ready', n: 1 },
      { state: 'not_ready', n: 1 },
    ])
  })

  it('marks who rings or wraps up too long', () => {
    expect([overdue('alerting', 21, 30), overdue('alerting', 19, 30), overdue('wrap_up', 31, 30), overdue('wrap_up', 30, 30), overdue('talking', 9999, 30)]).toEqual([true, false, true, false, false])
  })

  it('counts what waits, what is overdue, and since when', () => {
    const items = [{ opened_at: 50, due_at: 90 }, { opened_at: 20, due_at: 200 }, { opened_at: 70, due_at: null }] as ItemShort[]
    expect(figuresOfWork(items, 3, 100)).toEqual({ waiting: 6, late: 1, oldest: 20 })
    expect(figuresOfWork([], 0, 100)).toEqual({ waiting: 0, late: 0, oldest: null })
  })

  it('reads hours as they are typed, full-width too, and no more than a month', () => {
    expect(['2', '1.5', '２', '0', '', '-1', '721', 'soon'].map(secondsOf)).toEqual([7200, 5400, 7200, null, null, null, null, null])
  })
})
