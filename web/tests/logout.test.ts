import { createPinia, setActivePinia } from 'pinia'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { LoggedIn } from '../src/protocol/shapes'
import { useSeat } from '../src/stores/seat'
import { keepSession } from '../src/stores/sessions'
import { FakeSocket, last } from './fakeSocket'

const NOT_LOGGED_IN = { status: 401, problem: { slug: 'not-logged-in', zh: '未登录', en: 'Not logged in' } }

const LOGIN = { token: 'secret', name: '李', roles: ['agent'] } as unknown as LoggedIn

describe('the end of a login whose link breaks', () => {
  beforeEach(() => {
    vi.useFakeTimers()
    vi.stubGlobal('WebSocket', FakeSocket)
    FakeSocket.made = []
    setActivePinia(createPinia())
    sessionStorage.clear()
    keepSession('/city', LOGIN)
  })

  afterEach(() => {
    vi.useRealTimers()
    vi.unstubAllGlobals()
  })

  async function answered(op: string, answer: object): Promise<void> {
    const asked = last().sent.find((one) => one['op'] === op)
    last().says({ re: asked?.['id'], ...answer })
    await vi.advanceTimersByTimeAsync(0)
  }

  async function live(): Promise<ReturnType<typeof useSeat>> {
    const seat = useSeat()
    expect(seat.resume('/city')).toBe(true)
    last().opens()
    await answered('attach', { ok: { state: { calls: [] } } })
    expect(seat.status).toBe('live')
    return seat
  }

  async function comesBackToNothing(): Promise<void> {
    last().breaks()
    await vi.advanceTimersByTimeAsync(10_000)
    last().opens()
    await answered('attach', NOT_LOGGED_IN)
  }

  it('is what the agent wanted, where it was asked for', async () => {
    const seat = await live()
    void seat.act('logout')
    await comesBackToNothing()
    expect(seat.ended).toEqual({ how: 'logged_out', reason: 'logged_out' })
    expect(seat.problem?.slug).not.toBe('not-logged-in')
  })

  it('is told as a refusal, where it was not', async () => {
    const seat = await live()
    await comesBackToNothing()
    expect(seat.ended).toBeNull()
    expect(seat.problem?.slug).toBe('not-logged-in')
  })
})
