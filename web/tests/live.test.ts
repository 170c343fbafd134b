import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { LiveConnection, liveAddress, retryAfter } from '../src/protocol/live'
import type { LinkStatus } from '../src/protocol/live'
import { DISCONNECTED, NO_ANSWER, Refused } from '../src/protocol/problem'
import type { Problem } from '../src/protocol/shapes'
import { FakeSocket, last } from './fakeSocket'

describe('LiveConnection', () => {
  const heard = { attached: [] as unknown[], pushes: [] as unknown[], status: [] as LinkStatus[], refused: [] as Problem[] }
  let connection: LiveConnection

  beforeEach(() => {
    vi.useFakeTimers()
    vi.stubGlobal('WebSocket', FakeSocket)
    FakeSocket.made = []
    heard.attached = []
    heard.pushes = []
    heard.status = []
    heard.refused = []
    connection = new LiveConnection('ws://node/api/v1/live', 'secret', {
      attached: (answer) => heard.attached.push(answer),
      pushed: (push) => heard.pushes.push(push),
      status: (status) => heard.status.push(status),
      refused: (problem) => heard.refused.push(problem),
    })
    connection.open()
  })

  afterEach(() => {
    connection.close()
    vi.useRealTimers()
    vi.unstubAllGlobals()
  })

  async function attach(): Promise<void> {
    last().opens()
    last().says({ re: last().sent[0]?.['id'], ok: { hello: 1 } })
    await vi.advanceTimersByTimeAsync(0)
  }

  it('sends its token as the first message and then hears pushes', async () => {
    await attach()
    expect(last().sent).toEqual([{ id: 1, op: 'attach', token: 'secret' }])
    expect(heard.attached).toEqual([{ hello: 1 }])
    last().says({ push: 'state', state: {} })
    expect(heard.pushes).toEqual([{ push: 'state', state: {} }])
    expect(heard.status).toEqual(['live'])
  })

  it('matches answers and refusals to what was asked, in any order', async () => {
    await attach()
    const first = connection.ask('hold', { contact: 'a' })
    const second = connection.ask('note', { contact: 'a', text: 'x' })
    const problem = { slug: 'wrong-state', zh: '不行', en: 'no', place: '' }
    last().says({ re: 3, problem })
    last().says({ re: 2, ok: {} })
    await expect(first).resolves.toEqual({})
    await expect(second).rejects.toMatchObject({ problem })
  })

  it('reads every problem of a refusal, and its status', async () => {
    await attach()
    const asked = connection.ask('work_open', {})
    const problems = [
      { slug: 'field-missing', zh: '必填', en: 'needed', place: 'visit' },
      { slug: 'field-form', zh: '值不可用', en: 'not accepted', place: 'line' },
    ]
    last().says({ re: 2, status: 400, problem: problems[0], problems })
    await expect(asked).rejects.toMatchObject({ problem: problems[0], problems, status: 400 })
    const other = connection.ask('hold', {})
    last().says({ re: 3, problem: problems[1] })
    await expect(other).rejects.toMatchObject({ problems: [problems[1]], status: 0 })
  })

  it('keeps its own id and op whatever the fields are called', async () => {
    await attach()
    void connection.ask('note', { id: 99, op: 'logout' }).catch(() => undefined)
    expect(last().sent[1]).toEqual({ id: 2, op: 'note' })
  })

  it('comes back after a break, and says that what was under way is unconfirmed', async () => {
    await attach()
    const asked = connection.ask('hold', {})
    last().breaks()
    await expect(asked).rejects.toMatchObject({ problem: DISCONNECTED })
    expect(heard.status).toEqual(['live', 'lost'])
    await vi.advanceTimersByTimeAsync(700)
    expect(FakeSocket.made).toHaveLength(2)
    await attach()
    expect(heard.status).toEqual(['live', 'lost', 'live'])
    expect(heard.attached).toHaveLength(2)
  })

  it('asks a quiet node whether it is there, and takes a refusal for an answer', async () => {
    await attach()
    await vi.advanceTimersByTimeAsync(5_000)
    expect(last().sent[1]).toEqual({ id: 2, op: 'ping' })
    last().says({ re: 2, problem: { slug: 'unknown-operation', zh: '', en: '' } })
    await vi.advanceTimersByTimeAsync(0)
    expect(heard.status).toEqual(['live'])
    await vi.advanceTimersByTimeAsync(5_000)
    expect(last().sent).toHaveLength(3)
  })

  it('takes a node that does not answer for lost', async () => {
    await attach()
    await vi.advanceTimersByTimeAsync(10_000)
    expect(heard.status).toEqual(['live', 'lost'])
  })

  it('gives up an operation that is not answered', async () => {
    await attach()
    const asked = connection.ask('hold', {})
    const told = expect(asked).rejects.toMatchObject({ problem: NO_ANSWER })
    for (let i = 0; i < 10; i++) {
      await vi.advanceTimersByTimeAsync(1_000)
      last().says({ push: 'province' })
    }
    await told
    expect(heard.status).toEqual(['live'])
  })

  it('ends when the token is refused', async () => {
    last().opens()
    last().says({ re: 1, problem: { slug: 'not-logged-in', zh: '请登录', en: 'log in' } })
    await vi.advanceTimersByTimeAsync(60_000)
    expect(heard.refused.map((problem) => problem.slug)).toEqual(['not-logged-in'])
    expect(FakeSocket.made).toHaveLength(1)
  })

  it('refuses at once while it is not connected', async () => {
    await expect(connection.ask('hold', {})).rejects.toBeInstanceOf(Refused)
  })
})

describe('retryAfter', () => {
  it('doubles up to eight seconds, spread by a quarter', () => {
    expect(retryAfter(0, 0.5)).toBe(500)
    expect(retryAfter(3, 0.5)).toBe(4000)
    expect(retryAfter(50, 0.5)).toBe(8000)
    expect(retryAfter(0, 0)).toBe(375)
    expect(retryAfter(0, 1)).toBe(625)
  })
})

describe('liveAddress', () => {
  it('keeps host and security of the page', () => {
    expect(liveAddress('/hub', new URL('https://a:8443/x') as unknown as Location)).toBe('wss://a:8443/hub/api/v1/live')
    expect(liveAddress('', new URL('http://a/') as unknown as Location)).toBe('ws://a/api/v1/live')
  })
})
