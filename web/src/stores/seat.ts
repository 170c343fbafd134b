import { defineStore } from 'pinia'
import { computed, ref, shallowRef } from 'vue'
import { login as askLogin, post as postTo, postFile } from '../protocol/http'
import { LiveConnection, liveAddress } from '../protocol/live'
import type { LinkStatus } from '../protocol/live'
import { DISCONNECTED, problemOf, Refused } from '../protocol/problem'
import type { Call, LoggedIn, Problem, Receipt, SeatPush, SeatState, Targets } from '../protocol/shapes'
import { moment } from '../shared/clock'
import { day } from '../shared/format'
import { forgetDraftsBut } from '../seat/drafts'
import { usePlaces } from './places'
import { dropSession, keepSession, keptSession } from './sessions'

/** Why this page has no seat although somebody was logged in. */
export type Ended = { how: 'taken_over' } | { how: 'logged_out'; reason: string } | null

/** A call that this login has served, for the agent's own list. */
export interface Served {
  contact: string
  at: number
  calling: string
  skill: string
  talkS: number
  disposition: string
}

/** One agent session as the city's node tells it, and what the agent may do with it. */
export const useSeat = defineStore('seat', () => {
  const places = usePlaces()
  const session = ref<LoggedIn | null>(null)
  const state = shallowRef<SeatState | null>(null)
  const receivedAt = ref(0)
  const status = ref<LinkStatus>('connecting')
  const lostAt = ref(0)
  const problem = ref<Problem | null>(null)
  const ended = ref<Ended>(null)
  /** whether this login is to end at the agent's own wish */
  let leaving = false
  const served = ref<Served[]>([])
  const underWay = new Set<string>()
  const workEars = new Set<(receipt: Receipt) => void>()
  let connection: LiveConnection | null = null
  let base = ''

  const call = computed<Call | null>(() => state.value?.calls[0] ?? null)

  /** Seconds since 1970 by the city's clock, which its deadlines run by, at a moment of this page's steady clock: this
   *  machine's own may be wrong, and a simulated city lives in another hour. */
  function wallAt(at: number = moment()): number {
    const sent = state.value?.at
    if (sent === undefined) return (Date.now() + at - moment()) / 1000
    return sent + ((at - receivedAt.value) / 1000) * places.speed
  }

  /** This day by the city's clock, as `YYYY-MM-DD`. */
  function today(): string {
    return day(wallAt())
  }

  function take(next: SeatState): void {
    const before = call.value
    state.value = next
    receivedAt.value = moment()
    forgetDraftsBut(next.calls.map((each) => each.contact))
    if (before !== null && before.state !== 'alerting' && !next.calls.some((each) => each.contact === before.contact)) {
      note(before)
    }
  }

  /** Keeps the last fifty calls of this login, newest first. */
  function note(done: Call): void {
    const entry: Served = {
      contact: done.contact,
      at: wallAt(),
      calling: done.calling,
      skill: done.skill,
      talkS: done.talk_s,
      disposition: done.disposition,
    }
    served.value = [entry, ...served.value].slice(0, 50)
  }

  function connect(token: string): void {
    connection?.close()
    status.value = 'connecting'
    ended.value = null
    leaving = false
    connection = new LiveConnection(liveAddress(base), token, {
      attached: (answer) => {
        leaving = false // a logout that got lost on its way is asked for once more
        take((answer as { state?: SeatState }).state ?? (answer as SeatState))
        void learnNames()
      },
      pushed: (push) => hear(push as SeatPush),
      status: (next) => {
        if (next === 'lost' && status.value !== 'lost') lostAt.value = moment()
        status.value = next
      },
      refused: (why) => {
        release()
        if (leaving) ended.value = { how: 'logged_out', reason: 'logged_out' } // done, and the link broke before that was told
        else problem.value = why
      },
    })
    connection.open()
  }

  function hear(push: SeatPush): void {
    if (push.push === 'state') {
      take(push.state)
    } else if (push.push === 'work') {
      for (const ear of workEars) ear(push.receipt)
    } else if (push.push === 'taken_over' || push.push === 'logged_out') {
      release()
      ended.value = push.push === 'taken_over' ? { how: 'taken_over' } : { how: 'logged_out', reason: push.reason }
    }
  }

  async function learnNames(): Promise<void> {
    try {
      await targets('')
    } catch (thrown) {
      problemOf(thrown) // names are a comfort: codes are shown where they could not be had
    }
  }

  function release(): void {
    connection?.close()
    connection = null
    dropSession(base)
    session.value = null
    state.value = null
  }

  /** Comes back with this tab's own login, where there is one. */
  function resume(node: string): boolean {
    base = node
    const kept = keptSession(base)
    if (kept === null) return false
    session.value = kept
    connect(kept.token)
    return true
  }

  /** Logs in at a seat; false when refused, with `problem` telling why. */
  async function enter(node: string, user: string, password: string, seat: string): Promise<boolean> {
    base = node
    problem.value = null
    try {
      const answer = await askLogin(base, user, password, seat)
      session.value = answer
      served.value = []
      keepSession(base, answer)
      connect(answer.token)
      return true
    } catch (thrown) {
      problem.value = problemOf(thrown)
      return false
    }
  }

  /** Lets go of the connection while another page is shown; the seat stays the agent's own for the node's grace. */
  function rest(): void {
    connection?.close()
    connection = null
    session.value = null
    state.value = null
    ended.value = null
  }

  function hurry(): void {
    connection?.hurry()
  }

  /** Does one operation; false when refused, with `problem` telling why. The same one twice at a time is one wish. */
  async function act(op: string, fields: object = {}): Promise<boolean> {
    const wish = JSON.stringify([op, fields])
    if (connection === null || underWay.has(wish)) return false
    problem.value = null
    underWay.add(wish)
    if (op === 'logout') leaving = true
    try {
      await connection.ask(op, fields)
      return true
    } catch (thrown) {
      problem.value = problemOf(thrown)
      return false
    } finally {
      underWay.delete(wish)
    }
  }

  /** What is larger than a message goes over HTTP, with this tab's own login. Throws `Refused`. */
  async function post(op: string, fields: object): Promise<unknown> {
    if (session.value === null) throw new Refused(DISCONNECTED)
    return postTo(base, session.value.token, op, fields)
  }

  /** A file with its fields. Throws `Refused`. */
  async function upload(op: string, fields: Record<string, string>, file: File): Promise<unknown> {
    if (session.value === null) throw new Refused(DISCONNECTED)
    return postFile(base, session.value.token, op, fields, file)
  }

  /** Does one operation and gives its answer, which is waited for `withinMs`. Throws `Refused`. */
  async function ask(op: string, fields: object = {}, withinMs?: number): Promise<unknown> {
    if (connection === null) throw new Refused(DISCONNECTED)
    return connection.ask(op, fields, withinMs)
  }

  /** `ear` hears what other cities have answered to this agent's forms and steps. */
  function hearWork(ear: (receipt: Receipt) => void): void {
    workEars.add(ear)
  }

  /** Skills and people of the whole province that match `text`. Throws `Refused`. */
  async function targets(text: string): Promise<Targets> {
    if (connection === null) return { skills: [], agents: [] }
    const found = (await connection.ask('targets', { text })) as Targets
    places.learnSkills(found.skills)
    places.learnPeople(found.agents)
    return found
  }

  return {
    session,
    state,
    call,
    receivedAt,
    wallAt,
    today,
    status,
    lostAt,
    problem,
    ended,
    served,
    resume,
    enter,
    rest,
    hurry,
    act,
    ask,
    post,
    upload,
    hearWork,
    targets,
  }
})
