import type { Words } from '../i18n'
import type { ContactRow, ContactSummary, ContactWay, DecisionRow, Known } from '../protocol/shapes'
import { age, lasting, percent } from '../shared/format'

/** Puts rows of record and routing decisions into plain words of either language. */

export interface Names {
  cityName: (city: string | null | undefined) => string
  nodeName: (node: string) => string
  skillName: (skill: string) => string
  serviceName: (service: string) => string
  agentName: (agent: string | null | undefined, near?: string) => string
}

export interface Teller {
  words: Words
  names: Names
}

function text(value: unknown): string {
  return typeof value === 'string' || typeof value === 'number' ? String(value) : ''
}

function seconds(value: unknown): string {
  return typeof value === 'number' ? lasting(value) : lasting(null)
}

function transferTarget({ words, names }: Teller, row: ContactRow): string {
  if (row['to_agent']) return names.agentName(text(row['to_agent']), '')
  return words.t('row.skillTarget', { skill: names.skillName(text(row['to_skill'])) })
}

/** Whether the city called the customer. */
function isCallBack(row: ContactRow): boolean {
  return row.kind === 'contact_born' && typeof row['call_back'] === 'object' && row['call_back'] !== null
}

type Sentence = (teller: Teller, row: ContactRow) => string

const SENTENCES: Record<string, Sentence> = {
  lineage_opened: ({ words, names }, row) => words.t('row.lineage_opened', { node: names.nodeName(row.node) }),
  contact_born: ({ words, names }, row) =>
    words.t(isCallBack(row) ? 'row.contact_born_back' : 'row.contact_born', {
      calling: text(row['calling']) || words.t('contacts.withheld'),
      door: text(row['door']),
      city: names.cityName(text(row['city']) || row.node),
    }),
  menu_chosen: ({ words, names }, row) => {
    const path = Array.isArray(row['path']) ? row['path'].map(text) : []
    const service = names.serviceName(text(row['service']) || text(row['skill']))
    return path.length > 0
      ? words.t('row.menu_chosen_path', { path: path.join(' '), service })
      : words.t('row.menu_chosen', { service })
  },
  queue_entered: ({ words, names }, row) =>
    words.t(row['how'] === 'returned' ? 'row.queue_entered_returned' : 'row.queue_entered_offered', {
      node: names.nodeName(row.node),
      skill: names.skillName(text(row['skill'])),
      waited: seconds(row['waited_s']),
    }),
  queue_left: ({ words }, row) =>
    words.word(`row.queue_left_${text(row['how'])}`, '') === ''
      ? words.t('row.other', { kind: `queue_left ${text(row['how'])}` })
      : words.t(`row.queue_left_${text(row['how'])}`, { waited: seconds(row['waited_s']) }),
  attempt_opened: ({ words, names }, row) => {
    const scope = text(row['scope'])
    const n = text(row['n'])
    if (scope === 'home' || scope === 'province') return words.t(`row.attempt_opened_${scope}`, { n })
    return words.t('row.attempt_opened_agent', { n, agent: names.agentName(text(row['agent']) || scope, '') })
  },
  attempt_answered: ({ words, names }, row) =>
    words.t('row.attempt_answered', {
      site: names.cityName(text(row['site'])),
      agent: names.agentName(text(row['agent'])),
      waited: seconds(row['waited_s']),
    }),
  attempt_withdrawn: ({ words, names }, row) => {
    const reason = words.word(`withdrawn.${text(row['reason'])}`, text(row['reason']))
    const agent = text(row['agent'])
    if (agent === '') return words.t('row.attempt_withdrawn', { n: text(row['n']), reason })
    return words.t('row.attempt_withdrawn_agent', {
      n: text(row['n']),
      reason,
      agent: names.agentName(agent),
      site: names.cityName(text(row['site'])),
    })
  },
  transfer_asked: (teller, row) =>
    teller.words.t(row['outcome'] === 'returned' ? 'row.transfer_returned' : 'row.transfer_asked', {
      by: teller.names.agentName(text(row['by']), ''),
      target: transferTarget(teller, row),
    }),
  call_back_answered: ({ words }) => words.t('row.call_back_answered'),
  call_back_ended: ({ words }, row) =>
    words.t('row.call_back_ended', {
      item: text(row['item']),
      outcome: words.word(`callBack.${text(row['outcome'])}`, text(row['outcome'])),
      talked: seconds(row['talked_s']),
    }),
  contact_ended: ({ words }, row) =>
    words.t('row.contact_ended', {
      ending: words.word(`ending.${text(row['ending'])}`, text(row['ending'])),
      cause: words.word(`cause.${text(row['cause'])}`, text(row['cause'])),
      waited: seconds(row['waited_s']),
      talked: seconds(row['talked_s']),
      lasted: seconds(row['lasted_s']),
    }),
  segment_opened: ({ words, names }, row) =>
    words.t(row['received'] === true ? 'row.segment_opened_received' : 'row.segment_opened', {
      site: names.cityName(text(row['site'])),
      agent: names.agentName(text(row['agent']), ''),
    }),
  segment_confirmed: ({ words }) => words.t('row.segment_confirmed'),
  segment_voided: ({ words }, row) =>
    words.t('row.segment_voided', { reason: words.word(`withdrawn.${text(row['reason'])}`, text(row['reason'])) }),
  segment_closed: ({ words, names }, row) => {
    const told = words.t('row.segment_closed', {
      agent: names.agentName(text(row['agent']), ''),
      by: words.word(`cause.${text(row['ended_by'])}`, text(row['ended_by'])),
      talked: seconds(row['talked_s']),
      held: seconds(row['held_s']),
      wrap: seconds(row['wrap_up_s']),
    })
    const disposition = text(row['disposition'])
    if (disposition === '') return told
    const called = words.word(`disposition.${disposition}`, disposition)
    return told + words.t('row.segment_disposition', { disposition: called })
  },
  agent_changed: ({ words, names }, row) =>
    words.t('row.agent_changed', {
      agent: names.agentName(text(row['agent']), ''),
      state: words.word(`presence.${text(row['state'])}`, text(row['state'])),
    }),
  leg_refused: ({ words, names }, row) =>
    words.t('row.leg_refused', { city: names.cityName(text(row['from_city'])), reason: text(row['reason']) }),
  repaired: ({ words }, row) =>
    words.t('row.repaired', { what: words.word(`repair.${text(row['what'])}`, text(row['what'])) }),
  decision: (teller, row) => {
    const decision = row as DecisionRow
    return teller.words.t('row.decision', { choice: choiceOf(teller, decision), why: whyOf(teller, decision) })
  },
}

/** One row of record as a sentence; a kind that this version does not know is named as it is. */
export function sentenceOf(teller: Teller, row: ContactRow): string {
  const sentence = SENTENCES[row.kind]
  return sentence === undefined ? teller.words.t('row.other', { kind: row.kind }) : sentence(teller, row)
}

/** What a decision chose. */
export function choiceOf({ words, names }: Teller, decision: DecisionRow): string {
  const agent = names.agentName(decision.agent)
  const site = names.cityName(decision.site)
  switch (decision.choice) {
    case 'home':
      return agent ? words.t('choice.homeAgent', { agent }) : words.t('choice.home')
    case 'propose':
      return agent ? words.t('choice.proposeAgent', { agent, site }) : words.t('choice.propose', { site })
    case 'grant':
      return words.t('choice.grant', { agent, site })
    case 'open':
    case 'wait':
    case 'none':
      return words.t(`choice.${decision.choice}`)
    default:
      return words.t('choice.other', { choice: decision.choice })
  }
}

export function whyOf({ words }: Teller, decision: DecisionRow): string {
  return words.word(`why.${decision.why}`, decision.why)
}

/** Figures of one place that a decision looked at; `age` in words, empty where they were the decider's own. */
export interface KnownAbout {
  place: string
  age: string
  figures: { name: string; value: string }[]
}

function figureOf({ words, names }: Teller, name: string, value: number | string): string {
  if (name === 'refused') return words.t('figure.yes')
  if (name.endsWith('_s')) return typeof value === 'number' ? age(value) : words.word(`figure.${value}`, value)
  if (name === 'reserve' || name.endsWith('share')) return typeof value === 'number' ? percent(value) : value
  if (name === 'said') return words.word(`why.${value}`, text(value))
  if (name === 'skill') return names.skillName(text(value))
  return text(value)
}

/** Groups `guangzhou.idle`, `guangzhou.age_s`, `home.waiting`, `waited_s` … by the place they speak of. */
export function knownAbout(teller: Teller, known: Known): KnownAbout[] {
  const { words, names } = teller
  const groups = new Map<string, KnownAbout>()
  for (const [key, value] of Object.entries(known)) {
    const dot = key.indexOf('.')
    const place = dot < 0 ? '' : key.slice(0, dot)
    const name = dot < 0 ? key : key.slice(dot + 1)
    let group = groups.get(place)
    if (group === undefined) {
      const called = place === '' ? words.t('way.thisContact') : place === 'home' ? words.t('way.own') : names.cityName(place)
      group = { place: called, age: '', figures: [] }
      groups.set(place, group)
    }
    if (name === 'age_s' && typeof value === 'number' && place !== '') group.age = age(value)
    else group.figures.push({ name: words.word(`figure.${name}`, name), value: figureOf(teller, name, value) })
  }
  return [...groups.values()]
}

/** The whole way in a few sentences, for somebody who has not seen a routing record before. */
export function summaryOf(teller: Teller, way: ContactWay): string {
  const { words, names } = teller
  const { contact, rows } = way
  const city = names.cityName(contact.city)
  if (rows.some(isCallBack)) return calledBack(teller, rows, city)
  const answer = rows.find((row) => row.kind === 'attempt_answered')
  const said: string[] = []
  if (answer !== undefined) {
    const site = text(answer['site'])
    said.push(
      words.t(site === contact.city ? 'way.summary.home' : 'way.summary.away', {
        city,
        serving: names.cityName(site),
        agent: names.agentName(text(answer['agent'])),
        waited: seconds(answer['waited_s']),
      }),
    )
  } else {
    said.push(unanswered(teller, contact, rows, city))
  }
  const transfers = rows.filter((row) => row.kind === 'transfer_asked' && row['outcome'] !== 'returned').length
  if (transfers > 0) said.push(words.t('way.summary.transferred', { n: transfers }))
  const returns = rows.filter((row) => row.kind === 'queue_entered' && row['how'] === 'returned').length
  if (returns > 0) said.push(words.t('way.summary.returned', { n: returns }))
  if (answer !== undefined && contact.ending !== null) {
    said.push(words.t('way.summary.ended', { ending: words.word(`ending.${contact.ending}`, contact.ending) }))
  }
  return said.join(words.language.value === 'zh' ? '' : ' ')
}

function calledBack({ words }: Teller, rows: ContactRow[], city: string): string {
  const ended = rows.find((row) => row.kind === 'call_back_ended')
  if (ended === undefined) return words.t('way.summary.callsBack', { city })
  const outcome = words.word(`callBack.${text(ended['outcome'])}`, text(ended['outcome']))
  return words.t('way.summary.calledBack', { city, outcome, talked: seconds(ended['talked_s']) })
}

function unanswered({ words }: Teller, contact: ContactSummary, rows: ContactRow[], city: string): string {
  const waited = lasting(contact.waited_s)
  if (contact.ending !== null) {
    const ending = words.word(`ending.${contact.ending}`, contact.ending)
    return words.t('way.summary.unanswered', { city, ending, waited })
  }
  const queued = rows.some((row) => row.kind === 'queue_entered')
  return words.t(queued ? 'way.summary.waiting' : 'way.summary.menu', { city, waited })
}
