import type { AgentPicture, CityNow, ItemShort } from '../protocol/shapes'

/** What whoever leads a city looks at: who is where for how long, and what waits. */

/** seconds that a telephone may ring before somebody looks */
const RINGS_S = 20
const ORDER: readonly string[] = ['alerting', 'talking', 'held', 'wrap_up', 'reserved', 'ready', 'not_ready']

/** Whether somebody is longer in a state than it should last. */
export function overdue(state: string, sinceS: number, wrapUpS: number): boolean {
  return (state === 'alerting' && sinceS > RINGS_S) || (state === 'wrap_up' && sinceS > wrapUpS)
}

/** Those at work first, and in each state who is in it longest. */
export function byState(agents: readonly AgentPicture[]): AgentPicture[] {
  const place = (state: string) => (ORDER.includes(state) ? ORDER.indexOf(state) : ORDER.length)
  return [...agents].sort((a, b) => place(a.state) - place(b.state) || b.since_s - a.since_s)
}

export interface WaitingWork {
  waiting: number
  late: number
  /** opened when, the oldest; null where nothing waits */
  oldest: number | null
}

/** What waits for somebody to take it, in figures; `at` in seconds. */
export function figuresOfWork(items: readonly ItemShort[], more: number, at: number): WaitingWork {
  return {
    waiting: items.length + more,
    late: items.filter((item) => item.due_at !== null && item.due_at < at).length,
    oldest: items.reduce<number | null>((least, item) => (least === null || item.opened_at < least ? item.opened_at : least), null),
  }
}

/** How many of each state there are, of those that there are. */
export function counts(now: CityNow): { state: string; n: number }[] {
  const found = new Map<string, number>()
  for (const { state } of byState(now.agents)) found.set(state, (found.get(state) ?? 0) + 1)
  return [...found].map(([state, n]) => ({ state, n }))
}

/** Seconds of hours as they are typed, `1.5`; null where they cannot be read, or a month is not enough. */
export function secondsOf(hours: string): number | null {
  const text = hours.normalize('NFKC').trim()
  if (!/^\d{1,3}(\.\d{1,2})?$/.test(text)) return null
  const seconds = Math.round(Number(text) * 3600)
  return seconds > 0 && seconds <= 30 * 86_400 ? seconds : null
}
