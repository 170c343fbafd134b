import type { CityPicture, Province } from '../protocol/shapes'

/** How a share of calls answered within the target time is judged and coloured. */
export type Level = 'good' | 'fair' | 'poor' | 'none' | 'lost'

/** What the wall's numbers are held against. */
export const TARGET = { serviceLevel: 0.8, fair: 0.6, withinSeconds: 20, abandoned: 0.05 } as const

export function levelOf(share: number | null): Level {
  if (share === null) return 'none'
  if (share >= TARGET.serviceLevel) return 'good'
  return share >= TARGET.fair ? 'fair' : 'poor'
}

/** Heard, and not declared lost: what it shows is of now. */
export function isThere(city: CityPicture): boolean {
  return city.seen && !city.lost
}

export function cityLevel(city: CityPicture): Level {
  return isThere(city) ? levelOf(city.service_level) : 'lost'
}

/** The six numbers of the wall: what is now over the cities that are there, today's sums over all, as far as is known. */
export interface Wall {
  /** answered within target ÷ (answered + abandoned), as the hub counts a city's; null before the first call */
  serviceLevel: number | null
  waiting: number
  oldestWait: number
  /** abandoned ÷ (answered + abandoned) */
  abandoned: number | null
  idle: number
  staffed: number
  talking: number
  away: number
  sentOut: number
  /** sent out ÷ all answers */
  sentShare: number | null
}

function share(part: number, whole: number): number | null {
  return whole > 0 ? Math.min(1, part / whole) : null
}

/** Agents are counted once, however many skills they have. */
export function wallOf(province: Province): Wall {
  const seen = province.cities.filter(isThere)
  const sum = (of: (city: CityPicture) => number) => province.cities.reduce((total, city) => total + of(city), 0)
  const agents = seen.flatMap((city) => city.agents)
  const count = (...states: string[]) => agents.filter((agent) => states.includes(agent.state)).length
  const answered = sum((city) => city.today.answered_here + city.today.sent_out)
  const counted = answered + sum((city) => city.today.abandoned)
  const queues = seen.flatMap((city) => city.skills)
  return {
    serviceLevel: share(sum((city) => city.today.within_target), counted),
    waiting: queues.reduce((total, queue) => total + queue.waiting, 0),
    oldestWait: queues.reduce((most, queue) => Math.max(most, queue.waiting > 0 ? queue.oldest_wait_s : 0), 0),
    abandoned: share(sum((city) => city.today.abandoned), counted),
    idle: count('ready'),
    staffed: agents.length - count('offline', 'not_ready'),
    talking: count('talking', 'held', 'alerting'),
    away: count('not_ready'),
    sentOut: sum((city) => city.today.sent_out),
    sentShare: share(sum((city) => city.today.sent_out), answered),
  }
}
