/** A small imitation of a province for work on the screens: it speaks the protocols of `docs/agent-api.md` and
 *  `docs/console-api.md` and invents callers. It keeps none of the promises of the real one. */

import type {
  AgentPicture,
  Call,
  CallState,
  CityPicture,
  ContactRow,
  ContactSummary,
  ContactWay,
  DecisionRow,
  Disposition,
  Note,
  Presence,
  Problem,
  Province,
  SeatState,
  ServicesReport,
  SkillPicture,
  Targets,
} from '../src/protocol/shapes.ts'

export const SKILLS = [
  { skill: 'fault', zh: '障碍申告', en: 'Fault report', key: '1', door: '112' },
  { skill: 'directory', zh: '号码查询', en: 'Directory enquiry', key: '2', door: '114' },
  { skill: 'bill', zh: '资费帐单', en: 'Tariffs and bills', key: '3', door: '170' },
  { skill: 'complaint', zh: '投诉建议', en: 'Complaints', key: '4', door: '180' },
  { skill: 'order', zh: '业务受理', en: 'Orders', key: '5', door: '189' },
  { skill: 'general', zh: '综合咨询', en: 'General enquiry', key: '0', door: '' },
] as const

const DISPOSITIONS: Disposition[] = [
  { code: 'solved', zh: '已解决', en: 'Solved' },
  { code: 'follow_up', zh: '待跟进', en: 'Follow-up needed' },
  { code: 'transferred', zh: '已转接', en: 'Transferred' },
  { code: 'no_need', zh: '无需处理', en: 'Nothing to do' },
]
const REASONS: Disposition[] = [
  { code: 'break', zh: '小休', en: 'Break' },
  { code: 'meal', zh: '就餐', en: 'Meal' },
  { code: 'training', zh: '培训', en: 'Training' },
  { code: 'work', zh: '后台工作', en: 'Back-office work' },
]
const WRAP_UP_S = 15
const NAMES = '李敏 陈洁 黄丽娟 张伟 梁志强 何晓燕 周倩 吴俊 王芳 刘洋 林小红 邓伟民 郑凯 谢婷 区惠仪 麦子健 霍启明'.split(' ')

export const CITIES = [
  { city: 'guangzhou', name: '广州', name_en: 'Guangzhou', area: '0020', x: 0.45, y: 0.4, agents: 8, from: 1001 },
  { city: 'shenzhen', name: '深圳', name_en: 'Shenzhen', area: '0755', x: 0.72, y: 0.66, agents: 6, from: 2001 },
  { city: 'foshan', name: '佛山', name_en: 'Foshan', area: '0757', x: 0.3, y: 0.52, agents: 3, from: 3001 },
]

/** Thrown where an operation is refused. */
export class MockRefusal extends Error {
  readonly problem: Problem
  readonly problems: readonly Problem[]
  readonly status: number

  constructor(status: number, slug: string, zh: string, en: string, place = '', more: readonly Problem[] = []) {
    super(slug)
    this.problem = { slug, zh, en, place }
    this.problems = [this.problem, ...more]
    this.status = status
  }
}

interface Agent {
  agent: string
  name: string
  city: string
  seat: string
  state: Presence
  reason: string
  since: number
  skills: string[]
  contact: Contact | null
  human: boolean
  awayAfter: string | null
  until: number
}

interface Contact {
  id: string
  city: string
  calling: string
  door: string
  path: string[]
  skill: string
  born: number
  state: string
  since: number
  queuedAt: number
  waited: number
  talkStart: number | null
  talked: number
  heldFor: number
  agent: Agent | null
  n: number
  opened: boolean
  ending: string | null
  route: string[]
  notes: Note[]
  handledBy: string[]
  disposition: string
  wanted: Agent | null
  patience: number
  rows: ContactRow[]
  decisions: DecisionRow[]
}

function seeded(seed: number): () => number {
  let state = seed >>> 0 || 1
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296
  }
}

export class MockProvince {
  now = 0
  readonly agents: Agent[] = []
  readonly lost = new Map<string, number>()
  private readonly contacts: Contact[] = []
  private readonly chance: () => number
  private readonly callsPerHour: number
  private readonly start: number
  private counter = 0
  changed: (agent: string) => void = () => undefined

  constructor(seed: number, callsPerHour: number) {
    this.chance = seeded(seed)
    this.callsPerHour = callsPerHour
    this.start = Date.UTC(1999, 1, 26, 1, 30) / 1000
    let n = 0
    for (const city of CITIES) {
      for (let i = 0; i < city.agents; i++) {
        const skills = SKILLS.filter((_, s) => (s + i) % 3 !== 0 || i % 4 === 0).map((each) => each.skill)
        this.agents.push({
          agent: `${city.from + i}@${city.city}`,
          name: NAMES[n++ % NAMES.length] ?? '',
          city: city.city,
          seat: String(8001 + i),
          state: i === 2 ? 'not_ready' : 'ready',
          reason: i === 2 ? 'break' : '',
          since: 0,
          skills,
          contact: null,
          human: i === 0,
          awayAfter: null,
          until: 60,
        })
      }
      const first = this.agents.find((agent) => agent.city === city.city)
      if (first !== undefined) first.state = 'offline'
    }
  }

  private row(contact: Contact, node: string, kind: string, fields: Record<string, unknown>): void {
    contact.rows.push({ kind, wall: this.start + this.now, node, contact: contact.id, ...fields })
  }

  private decide(contact: Contact, by: string, choice: string, why: string, known: DecisionRow['known'], to?: Agent): void {
    const decision: DecisionRow = {
      kind: 'decision',
      wall: this.start + this.now,
      node: by,
      n: contact.n,
      by,
      choice,
      why,
      known,
      site: to?.city ?? null,
      agent: to?.agent ?? null,
    }
    contact.decisions.push(decision)
    contact.rows.push(decision)
  }

  /** Lets `seconds` pass. */
  step(seconds: number): void {
    this.now += seconds
    for (const city of CITIES) {
      const heavy = city.city === 'foshan' ? 1.6 : 1
      if (!this.lost.has(city.city) && this.chance() < (this.callsPerHour * heavy * seconds) / 3600) this.arrive(city)
    }
    for (const contact of this.contacts.slice(-120)) if (contact.ending === null) this.move(contact)
    for (const agent of this.agents) this.live(agent)
    if (this.contacts.length > 2000) this.contacts.splice(0, 500)
  }

  private arrive(city: (typeof CITIES)[number]): void {
    const skill = SKILLS[Math.floor(this.chance() * SKILLS.length)] ?? SKILLS[0]
    const direct = skill.door !== '' && this.chance() < 0.3
    this.counter += 1
    const contact: Contact = {
      id: `${city.area}-7f3a9c21-${this.counter.toString(16).padStart(6, '0')}`,
      city: city.city,
      calling: `13${Math.floor(this.chance() * 9)}****${String(Math.floor(this.chance() * 10000)).padStart(4, '0')}`,
      door: direct ? skill.door : '10000',
      path: direct ? [] : [skill.key],
      skill: skill.skill,
      born: this.now,
      state: 'menu',
      since: this.now,
      queuedAt: 0,
      waited: 0,
      talkStart: null,
      talked: 0,
      heldFor: 0,
      agent: null,
      n: 0,
      opened: false,
      ending: null,
      route: [city.city],
      notes: [],
      handledBy: [],
      disposition: '',
      wanted: null,
      patience: 25 + this.chance() * 60,
      rows: [],
      decisions: [],
    }
    this.contacts.push(contact)
    this.row(contact, city.city, 'contact_born', { city: city.city, door: contact.door, calling: contact.calling, package: 'yihaotong@1' })
  }

  private home(contact: Contact): SkillPicture | undefined {
    return this.queuesOf(contact.city).find((queue) => queue.skill === contact.skill)
  }

  private idle(city: string | null, skill: string, not: string): Agent | undefined {
    return this.agents
      .filter((agent) => agent.state === 'ready' && agent.skills.includes(skill) && !this.lost.has(agent.city))
      .filter((agent) => (city === null ? agent.city !== not : agent.city === city))
      .sort((a, b) => Number(b.human) - Number(a.human) || a.since - b.since)[0]
  }

  private move(contact: Contact): void {
    const inState = this.now - contact.since
    if (contact.state === 'menu' && inState > 4) {
      this.row(contact, contact.city, 'menu_chosen', { path: contact.path, service: contact.skill, skill: contact.skill, priority: 0 })
      this.enqueue(contact, 'offered')
    } else if (contact.state === 'queued') {
      contact.waited = this.now - contact.queuedAt
      if (contact.waited > contact.patience) this.end(contact, 'abandoned', 'customer')
      else this.route(contact)
    } else if (contact.state === 'alerting' && contact.agent?.human !== true && inState > 2.5) {
      this.answer(contact)
    } else if (contact.state === 'alerting' && inState > 20 && contact.agent !== null) {
      const agent = contact.agent
      this.row(contact, contact.city, 'attempt_withdrawn', { n: contact.n, reason: 'no_answer', site: agent.city, agent: agent.agent })
      agent.contact = null
      this.turn(agent, 'not_ready', 'no_answer')
      contact.agent = null
      this.enqueue(contact, 'returned')
    } else if (contact.state === 'talking' && contact.agent?.human !== true && inState > 12 + (contact.born % 7) * 5) {
      this.hangUp(contact, 'agent')
    } else if ((contact.state === 'talking' || contact.state === 'held') && contact.agent?.human === true && inState > 600) {
      this.hangUp(contact, 'customer')
    }
  }

  private enqueue(contact: Contact, how: 'offered' | 'returned'): void {
    contact.state = 'queued'
    contact.since = this.now
    if (how === 'offered') contact.queuedAt = this.now
    contact.opened = false
    this.row(contact, contact.city, 'queue_entered', { skill: contact.skill, service: contact.skill, channel: 'voice', how, waited_s: contact.waited })
  }

  private route(contact: Contact): void {
    const home = this.home(contact)
    const known = {
      'home.idle': home?.idle ?? 0,
      'home.staffed': home?.staffed ?? 0,
      'home.waiting': home?.waiting ?? 0,
      waited_s: contact.waited,
      expected_wait_s: home?.expected_wait_s ?? 'nobody_staffed',
      open_after_expected_wait_s: 5,
      open_after_wait_s: 10,
    }
    if (contact.wanted !== null) {
      if (contact.wanted.state !== 'ready') return
      const agent = contact.wanted
      contact.wanted = null
      contact.n += 1
      this.decide(contact, contact.city, 'propose', 'named_agent', { waited_s: contact.waited }, agent)
      this.row(contact, contact.city, 'attempt_opened', { n: contact.n, skill: contact.skill, scope: agent.agent, agent: agent.agent })
      this.ring(contact, agent)
      return
    }
    const near = this.idle(contact.city, contact.skill, '')
    if (near !== undefined) {
      contact.n += 1
      this.decide(contact, contact.city, 'home', 'idle_at_home', known, near)
      this.row(contact, contact.city, 'attempt_opened', { n: contact.n, skill: contact.skill, scope: 'home', agent: near.agent })
      this.ring(contact, near)
      return
    }
    if (!contact.opened && contact.waited > 3) {
      contact.opened = true
      contact.n += 1
      this.decide(contact, contact.city, 'open', home?.staffed === 0 ? 'nobody_at_home' : 'home_late', known)
      this.row(contact, contact.city, 'attempt_opened', { n: contact.n, skill: contact.skill, scope: 'province' })
    }
    if (!contact.opened) return
    const far = this.idle(null, contact.skill, contact.city)
    if (far === undefined) return
    const seen: DecisionRow['known'] = { waited_s: contact.waited, reserve: 0.1 }
    for (const city of CITIES.filter((each) => each.city !== contact.city)) {
      const queue = this.queuesOf(city.city).find((each) => each.skill === contact.skill)
      seen[`${city.city}.idle`] = queue?.idle ?? 0
      seen[`${city.city}.staffed`] = queue?.staffed ?? 0
      seen[`${city.city}.age_s`] = 0.2 + this.chance()
    }
    this.decide(contact, 'hub', 'propose', 'largest_idle_share', seen, far)
    this.ring(contact, far)
  }

  private ring(contact: Contact, agent: Agent): void {
    contact.state = 'alerting'
    contact.since = this.now
    contact.agent = agent
    agent.contact = contact
    if (contact.route.at(-1) !== agent.city) contact.route.push(agent.city)
    this.turn(agent, 'alerting')
  }

  private answer(contact: Contact): void {
    const agent = contact.agent
    if (agent === null) return
    const away = agent.city !== contact.city
    this.row(contact, contact.city, 'attempt_answered', { n: contact.n, site: agent.city, agent: agent.agent, token: '7f3a9c21-000001', skill: contact.skill, waited_s: contact.waited })
    this.row(contact, contact.city, 'queue_left', { skill: contact.skill, how: away ? 'sent_out' : 'answered_here', waited_s: contact.waited, within_target: contact.waited <= 20 })
    this.row(contact, agent.city, 'segment_opened', { n: contact.n, site: agent.city, anchor: contact.city, agent: agent.agent, received: away })
    contact.state = 'talking'
    contact.since = this.now
    contact.talkStart = this.now
    this.turn(agent, 'talking')
  }

  private endSegment(contact: Contact, by: string): void {
    const agent = contact.agent
    if (agent === null) return
    const talked = contact.talkStart === null ? 0 : this.now - contact.talkStart
    contact.talked += talked
    contact.talkStart = null
    contact.handledBy.push(agent.agent)
    this.row(contact, agent.city, 'segment_closed', { n: contact.n, site: agent.city, agent: agent.agent, talked_s: talked, held_s: contact.heldFor, wrap_up_s: 6, disposition: contact.disposition, notes: '', ended_by: by })
  }

  private hangUp(contact: Contact, by: string): void {
    const agent = contact.agent
    this.endSegment(contact, by)
    this.end(contact, 'completed', by)
    if (agent !== null) this.turn(agent, 'wrap_up')
  }

  private end(contact: Contact, ending: string, cause: string): void {
    if (ending === 'abandoned') this.row(contact, contact.city, 'queue_left', { skill: contact.skill, how: 'abandoned', waited_s: contact.waited })
    contact.ending = ending
    contact.state = 'ended'
    contact.since = this.now
    const answered = ending === 'completed'
    this.row(contact, contact.city, 'contact_ended', { city: contact.city, ending, evidence: 'seen', cause, waited_s: contact.waited, talked_s: contact.talked, lasted_s: this.now - contact.born, answers: answered ? 1 : 0 })
  }

  private live(agent: Agent): void {
    const inState = this.now - agent.since
    if (agent.state === 'wrap_up' && inState > (agent.human ? WRAP_UP_S : 6)) this.release(agent)
    else if (!agent.human && agent.state === 'not_ready' && inState > 45) this.turn(agent, 'ready')
    else if (!agent.human && agent.state === 'ready' && inState > 5 && this.chance() < 0.0006) this.turn(agent, 'not_ready', 'break')
  }

  private release(agent: Agent): void {
    agent.contact = null
    const away = agent.awayAfter
    agent.awayAfter = null
    if (away !== null) this.turn(agent, 'not_ready', away)
    else this.turn(agent, 'ready')
  }

  private turn(agent: Agent, state: Presence, reason = ''): void {
    agent.state = state
    agent.reason = reason
    agent.since = this.now
    this.changed(agent.agent)
  }

  // ── what the screens ask ──────────────────────────────────────────────────────────────────────────────────────
  agentNamed(agent: string): Agent | undefined {
    return this.agents.find((each) => each.agent === agent)
  }

  logIn(agent: Agent, seat: string): void {
    agent.human = true
    agent.seat = seat
    if (agent.state === 'offline') this.turn(agent, 'not_ready', 'login')
  }

  /** One operation of the agent API. */
  act(who: string, op: string, fields: Record<string, unknown>): object {
    const agent = this.agentNamed(who)
    if (agent === undefined) throw new MockRefusal(404, 'unknown-agent', '没有这位坐席', 'there is no such agent')
    if (op === 'ping') return {}
    if (op === 'targets') return this.targets(String(fields['text'] ?? ''))
    if (op === 'ready') {
      this.only(agent, 'not_ready', 'wrap_up', 'ready')
      if (agent.state === 'wrap_up') this.needDisposition(agent.contact)
      agent.contact = null
      this.turn(agent, 'ready')
      return {}
    }
    if (op === 'not_ready') {
      const reason = String(fields['reason'] ?? '')
      const codes = REASONS.map((each) => each.code)
      if (!codes.includes(reason)) throw new MockRefusal(400, 'unknown-reason', `没有此示忙原因；可用：${codes.join('、')}`, `there is no such reason; known: ${codes.join(', ')}`, 'reason')
      if (agent.contact === null) this.turn(agent, 'not_ready', reason)
      else {
        agent.awayAfter = reason
        this.changed(agent.agent)
      }
      return {}
    }
    if (op === 'logout') {
      this.only(agent, 'ready', 'not_ready')
      this.turn(agent, 'offline')
      return {}
    }
    const contact = agent.contact
    if (contact === null || contact.id !== fields['contact']) throw new MockRefusal(404, 'unknown-contact', '这个接触已不在您的席位', 'this contact is no longer at your seat', 'contact')
    this.onCall(agent, contact, op, fields)
    this.changed(agent.agent)
    return {}
  }

  private onCall(agent: Agent, contact: Contact, op: string, fields: Record<string, unknown>): void {
    switch (op) {
      case 'answer':
        this.only(agent, 'alerting')
        return this.answer(contact)
      case 'hold':
        this.only(agent, 'talking')
        contact.state = 'held'
        contact.since = this.now
        return this.turn(agent, 'held')
      case 'retrieve':
        this.only(agent, 'held')
        contact.heldFor += this.now - contact.since
        contact.state = 'talking'
        contact.since = this.now
        return this.turn(agent, 'talking')
      case 'note':
        this.only(agent, 'talking', 'held', 'wrap_up')
        contact.notes.push({ by: agent.agent, text: String(fields['text'] ?? '') })
        return
      case 'disposition':
        this.only(agent, 'talking', 'held', 'wrap_up')
        contact.disposition = String(fields['code'] ?? '')
        return
      case 'transfer':
        this.only(agent, 'talking', 'held')
        return this.transfer(agent, contact, fields)
      case 'hang_up':
        this.only(agent, 'talking', 'held')
        return this.hangUp(contact, 'agent')
      case 'finish':
        this.only(agent, 'talking', 'held', 'wrap_up')
        this.needDisposition(contact)
        if (agent.state !== 'wrap_up') this.hangUp(contact, 'agent')
        return this.release(agent)
      default:
        throw new MockRefusal(400, 'bad-request', `没有“${op}”这个操作`, `there is no operation “${op}”`, 'op')
    }
  }

  private transfer(agent: Agent, contact: Contact, fields: Record<string, unknown>): void {
    const note = String(fields['note'] ?? '')
    if (note !== '') contact.notes.push({ by: agent.agent, text: note })
    const toAgent = typeof fields['to_agent'] === 'string' ? fields['to_agent'] : null
    const toSkill = typeof fields['to_skill'] === 'string' ? fields['to_skill'] : null
    if (toAgent !== null) {
      const target = this.agentNamed(toAgent)
      if (target === undefined || target.state !== 'ready') throw new MockRefusal(409, 'agent-busy', '这位坐席现在不能接听，请选别人', 'this agent cannot take a call now; choose another', 'to_agent')
      contact.wanted = target
    }
    this.row(contact, contact.city, 'transfer_asked', { by: agent.agent, to_skill: toSkill, to_agent: toAgent, outcome: 'asked' })
    this.endSegment(contact, 'transfer')
    contact.skill = toSkill ?? contact.skill
    contact.disposition = ''
    contact.agent = null
    contact.queuedAt = this.now
    this.enqueue(contact, 'offered')
    agent.contact = { ...contact, state: 'wrap_up', since: this.now }
    this.turn(agent, 'wrap_up')
  }

  private needDisposition(contact: Contact | null): void {
    if (contact !== null && contact.disposition === '') throw new MockRefusal(409, 'disposition-missing', '请先选择处理结果', 'choose a disposition first', 'contact')
  }

  private only(agent: Agent, ...states: Presence[]): void {
    if (!states.includes(agent.state)) throw new MockRefusal(409, 'wrong-state', '当前状态不能这样操作', 'this is not possible in the present state')
  }

  targets(text: string): Targets {
    const wanted = text.trim().toLowerCase()
    const has = (...values: string[]) => wanted === '' || values.some((value) => value.toLowerCase().includes(wanted))
    return {
      skills: SKILLS.filter((skill) => has(skill.zh, skill.en, skill.skill)).map((skill) => {
        const idle = this.agents.filter((agent) => agent.state === 'ready' && agent.skills.includes(skill.skill)).length
        return { skill: skill.skill, zh: skill.zh, en: skill.en, idle, expected_wait_s: idle > 0 ? 0 : 14 }
      }),
      agents: this.agents
        .filter((agent) => agent.state !== 'offline' && has(agent.name, agent.agent))
        .map((agent) => ({ agent: agent.agent, name: agent.name, city: agent.city, presence: agent.state, since_s: this.now - agent.since, age_s: 0.4, skills: agent.skills })),
    }
  }

  seatState(who: string): SeatState {
    const agent = this.agentNamed(who)
    if (agent === undefined) throw new MockRefusal(404, 'unknown-agent', '没有这位坐席', 'there is no such agent')
    return {
      agent: agent.agent,
      name: agent.name,
      city: agent.city,
      seat: agent.seat,
      can_answer: agent.seat !== '8002',
      roles: ['agent'],
      presence: agent.state,
      reason: agent.reason,
      since_s: this.now - agent.since,
      skills: agent.skills,
      reasons: REASONS.map((reason) => reason.code),
      reason_names: [...REASONS, { code: 'no_answer', zh: '振铃未接', en: 'Did not answer' }],
      wrap_up_s: WRAP_UP_S,
      island: { hub: true, switch: true },
      calls: agent.contact === null ? [] : [this.callAt(agent, agent.contact)],
    }
  }

  private callAt(agent: Agent, contact: Contact): Call {
    return {
      contact: contact.id,
      attempt: contact.n,
      state: agent.state as CallState,
      since_s: this.now - agent.since,
      anchor: contact.city,
      received: contact.city !== agent.city,
      confirmed: true,
      calling: contact.calling,
      door: contact.door,
      path: contact.path,
      service: contact.skill,
      skill: contact.skill,
      waited_s: contact.waited,
      talk_s: contact.talked + (contact.talkStart === null ? 0 : this.now - contact.talkStart),
      hold_s: contact.heldFor + (agent.state === 'held' ? this.now - contact.since : 0),
      notes: contact.notes,
      handled_by: contact.handledBy.filter((who) => who !== agent.agent),
      disposition: contact.disposition,
      dispositions: DISPOSITIONS,
      wrap_up_left_s: agent.state === 'wrap_up' ? WRAP_UP_S - (this.now - agent.since) : null,
    }
  }

  private queuesOf(city: string): SkillPicture[] {
    const here = this.agents.filter((agent) => agent.city === city)
    const waiting = this.contacts.filter((contact) => contact.city === city && contact.state === 'queued' && contact.ending === null)
    return SKILLS.map((skill) => {
      const queue = waiting.filter((contact) => contact.skill === skill.skill)
      const able = here.filter((agent) => agent.skills.includes(skill.skill))
      const staffed = able.filter((agent) => agent.state !== 'offline' && agent.state !== 'not_ready').length
      const idle = able.filter((agent) => agent.state === 'ready').length
      return {
        skill: skill.skill,
        zh: skill.zh,
        en: skill.en,
        waiting: queue.length,
        oldest_wait_s: Math.max(0, ...queue.map((contact) => contact.waited)),
        idle,
        staffed,
        expected_wait_s: staffed === 0 ? null : idle > 0 ? 0 : ((queue.length + 1) * 30) / staffed,
      }
    })
  }

  picture(speed: number): Province {
    const recent = this.contacts.filter((contact) => contact.born > this.now - 900)
    const away = recent.filter((contact) => contact.route.length > 1)
    const pairs = new Map<string, { up: number; last: number }>()
    for (const contact of away) {
      const key = `${contact.route[0] ?? ''}>${contact.route.at(-1) ?? ''}`
      const pair = pairs.get(key) ?? { up: 0, last: 0 }
      pair.last += 1
      if (contact.ending === null) pair.up += 1
      pairs.set(key, pair)
    }
    return {
      at: this.start + this.now,
      hub: 'hub',
      leads: true,
      leader: 'hub',
      term: 1,
      speed,
      cities: CITIES.map((city) => this.cityPicture(city)),
      flows: [...pairs].map(([key, pair]) => ({ from: key.split('>')[0] ?? '', to: key.split('>')[1] ?? '', up: pair.up, last_15_min: pair.last })),
      latest: this.latest(null, 40),
    }
  }

  services(): ServicesReport {
    const counted = { service: 'fault', zh: '障碍申告', en: 'Fault report', aim: 0.98, opened: 3, ended: 2, promised: 2, within: 1, satisfaction_asked: 2, satisfaction_said: 1, satisfied_share: 1, satisfaction_mean: 5, open: 4, overdue: 1 }
    return { lines: [null, 'guangzhou'].map((city) => ({ ...counted, city })), complete: true, missing: [], untold: [] }
  }

  latest(city: string | null, limit: number): ContactSummary[] {
    return this.contacts
      .filter((contact) => city === null || contact.city === city)
      .slice(-limit)
      .reverse()
      .map((contact) => this.summary(contact))
  }

  private summary(contact: Contact): ContactSummary {
    const queued = contact.state !== 'menu'
    return {
      contact: contact.id,
      city: contact.city,
      calling: contact.calling,
      service: queued ? contact.skill : '',
      state: contact.state === 'alerting' || contact.state === 'queued' ? 'waiting' : contact.state === 'held' ? 'talking' : contact.state,
      serving: contact.agent?.city ?? null,
      agent: contact.agent?.agent ?? null,
      born: this.start + contact.born,
      waited_s: queued ? contact.waited : null,
      talked_s: contact.talkStart === null ? contact.talked || null : contact.talked + this.now - contact.talkStart,
      ending: contact.ending,
      route: contact.route,
    }
  }

  private cityPicture(city: (typeof CITIES)[number]): CityPicture {
    const own = this.contacts.filter((contact) => contact.city === city.city)
    const left = own.flatMap((contact) => contact.rows.filter((row) => row.kind === 'queue_left'))
    const how = (word: string) => left.filter((row) => row['how'] === word).length
    const within = left.filter((row) => row['within_target'] === true).length
    const offered = own.filter((contact) => contact.state !== 'menu').length
    const missing = this.lost.get(city.city)
    return {
      city: city.city,
      name: city.name,
      name_en: city.name_en,
      x: city.x,
      y: city.y,
      seen: missing === undefined,
      age_s: missing === undefined ? 0.3 : this.now - missing,
      missing_since: missing === undefined ? null : this.start + missing,
      switch_up: true,
      contacts_live: own.filter((contact) => contact.ending === null).length,
      service_level: left.length === 0 ? null : within / left.length,
      base: `/city/${city.city}`,
      skills: this.queuesOf(city.city),
      agents: this.agents.filter((agent) => agent.city === city.city).map((agent) => this.agentPicture(agent)),
      today: {
        offered,
        answered_here: how('answered_here'),
        sent_out: how('sent_out'),
        received: this.contacts.filter((contact) => contact.city !== city.city && contact.agent?.city === city.city && contact.ending !== null).length,
        abandoned: how('abandoned'),
        short: 0,
        within_target: within,
      },
    }
  }

  private agentPicture(agent: Agent): AgentPicture {
    return {
      agent: agent.agent,
      name: agent.name,
      state: agent.state,
      reason: agent.reason,
      since_s: this.now - agent.since,
      skills: agent.skills,
      seat: agent.seat,
      contact: agent.contact?.id ?? null,
    }
  }

  way(id: string): ContactWay {
    const contact = this.contacts.find((each) => each.id === id)
    if (contact === undefined) throw new MockRefusal(404, 'unknown-contact', '没有这个接触', 'there is no such contact', 'contact')
    return { contact: this.summary(contact), rows: contact.rows, decisions: contact.decisions }
  }
}
