import { defineStore } from 'pinia'
import { computed, ref, shallowRef } from 'vue'
import { login as askLogin } from '../protocol/http'
import { LiveConnection, liveAddress } from '../protocol/live'
import type { LinkStatus } from '../protocol/live'
import { problemOf } from '../protocol/problem'
import type { ContactSummary, ContactWay, LoggedIn, Problem, Province, ProvinceAttached, ProvincePush, ServicesReport } from '../protocol/shapes'
import { moment } from '../shared/clock'
import { usePlaces } from './places'
import { dropSession, keepSession, keptSession } from './sessions'

/** The live province as the hub shows it to this page. */
export const useProvince = defineStore('province', () => {
  const places = usePlaces()
  const session = ref<LoggedIn | null>(null)
  const province = shallowRef<Province | null>(null)
  const receivedAt = ref(0)
  const status = ref<LinkStatus>('connecting')
  const lostAt = ref(0)
  const problem = ref<Problem | null>(null)
  let connection: LiveConnection | null = null
  let base = ''

  function take(next: Province): void {
    province.value = next
    receivedAt.value = moment()
    for (const city of next.cities) {
      places.learnSkills(city.skills)
      places.learnPeople(city.agents)
    }
  }

  function connect(token: string): void {
    connection?.close()
    status.value = 'connecting'
    connection = new LiveConnection(liveAddress(base), token, {
      attached: (answer) => {
        const { province: first, services } = answer as ProvinceAttached
        places.learnServices(services)
        take(first)
      },
      pushed: (push) => {
        const heard = push as ProvincePush
        if (heard.push === 'province') take(heard.province)
        else if (heard.push === 'logged_out') leave()
      },
      status: (next) => {
        if (next === 'lost' && status.value !== 'lost') lostAt.value = moment()
        status.value = next
      },
      refused: (why) => {
        leave()
        problem.value = why
      },
    })
    connection.open()
  }

  /** Comes back with this tab's own login, where there is one. */
  function resume(hub: string): void {
    base = hub
    const kept = keptSession(base)
    if (kept === null || session.value !== null) return
    session.value = kept
    connect(kept.token)
  }

  /** Logs in; false when refused, with `problem` telling why. */
  async function enter(hub: string, user: string, password: string): Promise<boolean> {
    base = hub
    problem.value = null
    try {
      const answer = await askLogin(base, user, password)
      session.value = answer
      keepSession(base, answer)
      connect(answer.token)
      return true
    } catch (thrown) {
      problem.value = problemOf(thrown)
      return false
    }
  }

  function leave(): void {
    connection?.close()
    connection = null
    dropSession(base)
    session.value = null
    province.value = null
  }

  /** Lets go of the connection while another page is shown; the login stays. */
  function rest(): void {
    connection?.close()
    connection = null
    session.value = null
  }

  function hurry(): void {
    connection?.hurry()
  }

  async function ask(op: string, fields: object): Promise<unknown> {
    if (connection === null) throw new Error('asked without a login')
    return connection.ask(op, fields)
  }

  async function wayOf(contact: string): Promise<ContactWay> {
    return (await ask('contact', { contact })) as ContactWay
  }

  async function contactsOf(city: string | null, limit: number): Promise<ContactSummary[]> {
    const fields = city === null ? { limit } : { city, limit }
    return ((await ask('contacts', fields)) as { contacts: ContactSummary[] }).contacts
  }

  /** What came of each service on `day` (`YYYY-MM-DD`). */
  async function servicesOf(day: string): Promise<ServicesReport> {
    return (await ask('services_report', { first: day, last: day })) as ServicesReport
  }

  const speed = computed(() => province.value?.speed ?? 1)

  return {
    session,
    province,
    receivedAt,
    status,
    lostAt,
    problem,
    speed,
    resume,
    enter,
    leave,
    rest,
    hurry,
    wayOf,
    contactsOf,
    servicesOf,
  }
})
