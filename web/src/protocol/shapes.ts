/** What travels between the screens and the nodes: `docs/agent-api.md` and `docs/console-api.md` as types.
 *  Durations are in seconds at the moment of sending; moments are UTC seconds since the epoch. */

/** A refusal, in both languages. `place` names the field at fault. */
export interface Problem {
  slug: string
  zh: string
  en: string
  place?: string
}

/** Something that carries its own name in both languages. */
export interface Named {
  zh: string
  en: string
}

// ── where the nodes are, and the demo's logins ──────────────────────────────────────────────────────────────────────
export interface CityPlace {
  city: string
  name: string
  name_en: string
  base: string
}

export interface Nodes {
  hub: string | null
  cities: CityPlace[]
}

export interface DemoLogin {
  kind: 'province' | 'agent' | 'supervisor'
  user: string
  password: string
  city?: string | null
  base?: string
  seat?: string | null
  name: string
}

export interface Demo {
  demo: boolean
  logins: DemoLogin[]
  speed: number
}

export interface LoggedIn {
  token: string
  agent?: string
  name: string
  roles: string[]
  city?: string
  seat?: string
}

// ── a seat ──────────────────────────────────────────────────────────────────────────────────────────────────────────
export type CallState = 'alerting' | 'talking' | 'held' | 'wrap_up'
export type Presence = 'offline' | 'not_ready' | 'ready' | CallState

export interface Note {
  by: string
  text: string
}

export interface Disposition extends Named {
  code: string
}

/** A check of identity: who made it (null: the menu), in which city, when; the line is masked. */
export interface CheckMade {
  city: string
  line: string
  how: string
  agent: string | null
  at: number
}

export interface Call {
  contact: string
  attempt: number
  state: CallState
  since_s: number
  anchor: string
  received: boolean
  confirmed: boolean
  calling: string
  /** this city calls the customer back */
  outbound?: boolean
  /** the line asked about in self-service, masked; empty: none */
  line?: string
  door: string
  path: string[]
  service: string
  skill: string
  waited_s: number
  talk_s: number
  hold_s: number
  /** checks of identity that hold for this contact, wherever they were made; a node of an earlier version does not say */
  identity?: CheckMade[]
  notes: Note[]
  handled_by: string[]
  disposition: string
  dispositions: Disposition[]
  wrap_up_left_s: number | null
}

export type CallBackOutcome = 'reached' | 'no_answer' | 'busy' | 'refused' | 'unreachable' | 'given_up' | 'agent_missed' | 'failed'

/** The call to the customer of a work item, or the last one. */
export interface CallBack {
  contact: string
  item: string
  owning: string
  /** masked */
  number: string
  state: 'initiated' | 'originated' | 'delivered' | 'established' | 'cleared'
  /** null while it goes on */
  outcome: CallBackOutcome | null
  talked_s: number
}

export interface SeatState {
  /** seconds since 1970 by the city's clock when this was sent; absent from a node of the version before */
  at?: number
  agent: string
  name: string
  city: string
  seat: string
  can_answer: boolean
  roles: string[]
  presence: Presence
  reason: string
  since_s: number
  skills: string[]
  reasons: string[]
  /** names of these and of the reasons that only the node itself gives */
  reason_names?: Disposition[]
  wrap_up_s: number
  /** `alone`: the city has joined no province and misses no hub. `peers`: another city is heard, so callers can be sent there without the hub */
  island: { alone?: boolean; hub: boolean; peers?: boolean; switch: boolean }
  calls: Call[]
  call_back?: CallBack | null
}

export interface SkillTarget extends Named {
  skill: string
  expected_wait_s: number | null
  idle: number
}

export interface AgentTarget {
  agent: string
  name: string
  city: string
  presence: Presence
  since_s: number
  age_s: number
  skills: string[]
}

export interface Targets {
  skills: SkillTarget[]
  agents: AgentTarget[]
}

export type SeatPush =
  | { push: 'state'; state: SeatState }
  | { push: 'work'; receipt: Receipt }
  | { push: 'taken_over' }
  | { push: 'logged_out'; reason: string }

// ── services and work items ─────────────────────────────────────────────────────────────────────────────────────────
/** What a field of a form holds; money is whole fen. */
export type Value = string | number | boolean

export interface ServiceShort extends Named {
  id: string
  /** `id@version` */
  reference: string
  group: string
  skill: string
  makes_work: boolean
  /** what answers it at once, where it makes no work */
  answers?: 'bill' | 'progress' | 'tariff' | 'directory' | null
  doors: string[]
  /** what a call has as its `service` when the caller chose the menu of this one */
  chosen: string | null
  /** the service that stands in its place today */
  today: string | null
}

export type FieldType =
  | 'text'
  | 'long_text'
  | 'number'
  | 'money'
  | 'date'
  | 'yes_no'
  | 'choice'
  | 'phone'
  | 'email'
  | 'address'
  | 'line'

/** A condition on another field: it holds one of these; "yes" and "no" for a yes_no. */
export interface When {
  field: string
  is: string[]
}

/** One field of a form as JSON Schema, with what it is called and where it stands. */
export interface FieldSchema {
  type: 'string' | 'integer' | 'boolean'
  enum?: Value[]
  pattern?: string
  format?: string
  minimum?: number
  maximum?: number
  maxLength?: number
  'x-zh': string
  'x-en': string
  'x-layout': {
    type: FieldType
    width: number
    section?: string
    section_en?: string
    hint_zh?: string
    hint_en?: string
    knowledge?: string
    personal?: boolean
  }
  'x-choices'?: Disposition[]
  'x-when'?: When
}

/** The form of a service: JSON Schema 2020-12 (`dataset/services/form.py`). */
export interface FormSchema {
  properties: Record<string, FieldSchema>
  required?: string[]
  allOf?: { then?: { required?: string[] } }[]
}

export interface ServiceState extends Named {
  id: string
  ends: string | null
  within_s: number | null
  clock: string
  role: string
}

export interface ServiceAction extends Named {
  id: string
  from: string[]
  to: string
  roles: string[]
  needs: string[]
  note_required: boolean
  after_call_back: boolean
  /** the customer is asked how satisfied they are */
  asks_satisfaction: boolean
}

export interface Fee extends Named {
  code: string
  fen: number
  monthly: boolean
  deposit: boolean
  /** charged for each one of this number field */
  per: string | null
  when: When | null
}

export interface ServiceWhole extends ServiceShort {
  schema: FormSchema
  states: ServiceState[]
  actions: ServiceAction[]
  fees: Fee[]
  knowledge: string[]
  /** what is held against the records */
  rules?: (Named & { kind: string; at: string[] })[]
}

/** What became of a form or a step: at once, or `pending` until the owning city has answered. */
export interface Receipt {
  request: string
  item: string
  owning: string
  state: 'accepted' | 'pending' | 'refused'
  problems: Problem[]
}

export interface ItemShort extends Named {
  item: string
  service: string
  group: string
  owning: string
  line: string
  /** what it is about where it has no line, masked; a node of the version before does not say */
  about?: string
  customer: string
  state: string
  state_zh: string
  state_en: string
  ends: string | null
  opened_at: number
  /** in this state since */
  since: number
  due_at: number | null
  late: boolean
  /** deadlines missed */
  missed: number
  pressed: boolean
  assignee: string | null
  parked_until: number | null
  waits_for_role: string | null
  revision: number
}

export interface ItemStep {
  step: string
  at: number
  /** who, where and in which role; null: the owning city itself */
  by: string | null
  city: string | null
  role: string | null
  /** an action of the service, with its name */
  action: string | null
  zh: string | null
  en: string | null
  note: string
  to: string | null
  until: number | null
  reached: boolean | null
  /** of a call-back: as the switch told, or by an agent's word */
  how?: '' | 'call' | 'other' | null
  outcome?: CallBackOutcome | null
  talked_s?: number | null
  /** name and id of a file that was added */
  file?: string | null
  attachment?: string | null
  contact?: string | null
  collected_fen: number
  /** how satisfied the customer is: 1 to 5, 0 for not said; null: not asked */
  satisfaction?: number | null
  /** checked without knowing an earlier step, and no longer fits: it changed nothing */
  overtaken: boolean
}

export interface ItemWhole extends ItemShort {
  /** its number, and what is personal, are not shown in full */
  masked: boolean
  /** personal ones are masked */
  values: Record<string, Value>
  /** actions that this agent's roles may take now */
  possible: string[]
  /** those of `possible` that ask how satisfied the customer is; a city of the version before does not say */
  asks_satisfaction?: string[]
  called_back: boolean
  opened_by: { agent: string; role: string; city: string; contact: string | null }
  again_of: string | null
  steps: ItemStep[]
  charges: ItemCharge[]
  messages: ItemMessage[]
}

/** A file of a work item; `pending` until the item's city has taken it, or refused it with `problems`. */
export interface Attachment {
  attachment: string
  item: string
  name: string
  media_type: string
  size: number
  sha256: string
  at: number
  by: string | null
  state: Receipt['state']
  problems: Problem[]
}

export interface AttachmentAdded {
  attachment: Attachment
  receipt: Receipt
}

export interface AttachmentsAnswer {
  attachments: Attachment[]
  missing: MissingPart[]
}

export interface AttachmentOpened {
  attachment: Attachment
  /** Base64 */
  content: string
}

/** What the customer owes for it. */
export interface ItemCharge extends Named {
  code: string
  fen: number
  monthly: boolean
  deposit: boolean
  at: number
}

/** What the customer is told about it. */
export interface ItemMessage {
  at: number
  to: string | null
  text: string
  state: string
  sent_at: number | null
}

/** A city that was asked and did not answer in time: what is shown may lack what only it knows. */
export interface MissingPart {
  city: string
  problem: Problem
  /** of a card: which of its parts */
  part?: string
}

export interface ItemsAnswer {
  items: ItemShort[]
  /** how many there are beyond these */
  more: number
  missing?: MissingPart[]
}

export interface ItemAnswer {
  item: ItemWhole
  from: string
  as_of: number
  missing?: MissingPart[]
}

// ── lines that do not work ──────────────────────────────────────────────────────────────────────────────────────────
/** What was measured; null where the test could not give it. */
export interface Measured {
  line: string
  at: number
  insulation_ab_mohm: number
  insulation_ae_mohm: number
  insulation_be_mohm: number
  loop_ohm: number | null
  capacitance_nf: number
  foreign_v: number
  distance_km: number | null
  dsl_synced: boolean | null
  dsl_down_kbps: number | null
  dsl_margin_db: number | null
}

/** A test of a line: what came of it, and where a fault lies ("" for nowhere). */
export interface LineTest extends Named {
  outcome: string
  lies: string
  lies_zh: string
  lies_en: string
  measured: Measured
}

export interface LineTestAnswer {
  test: LineTest
  from: string
  /** of the note on the work item that was named */
  receipt?: Receipt
}

export type MassFaultArea = 'cable' | 'exchange' | 'district'

/** Many reports that are one. */
export interface MassFault {
  mass_fault: string
  area: MassFaultArea
  name: string
  state: 'found' | 'confirmed' | 'repaired' | 'rejected'
  /** found by the number of reports */
  by_count: boolean
  declared_by: string | null
  declared_at: number
  expected_at: number
  confirmed_by: string | null
  note: string
  items: string[]
  reports: number
  cleared_by: string | null
  cleared_at: number | null
  cleared_note: string
}

export interface MassFaultsAnswer {
  mass_faults: MassFault[]
  from: string
  missing?: MissingPart[]
}

export interface EarlierItem {
  item: string
  service: string
  city: string
  line: string
  customer: string
  opened_at: number
  /** empty while it goes on */
  ending: string
}

/** A service that a customer had twice or more. */
export interface Often {
  service: string
  within_30_days: number
  within_90_days: number
  items: EarlierItem[]
}

/** Everything that a customer had taken in, what is under way first. */
export interface ProgressAnswer {
  items: EarlierItem[]
  as_of: number
  cities: string[]
  missing: MissingPart[]
}

/** A price for `per` units. */
export interface Price extends Named {
  code: string
  fen: number
  unit: string
  per: number
  since: string
  until: string | null
  /** set by the regulator */
  regulated: boolean
  city: string | null
}

export interface PricesAnswer {
  prices: Price[]
  day: string
  missing?: MissingPart[]
}

export interface RepeatsAnswer {
  repeats: Often[]
  as_of: number
  cities: string[]
  missing: MissingPart[]
}

// ── customers, knowledge, directory enquiry ─────────────────────────────────────────────────────────────────────────
export interface ShownDocument {
  kind: string
  number: string
}

/** A city that answered, and when it was so (seconds since 1970). */
export interface AnsweredPart {
  city: string
  as_of: number
  /** of a card: which of its parts */
  part?: string
  /** from the copy of what that city publishes, which is at least as new as `as_of` */
  copy?: boolean
}

/** A customer on record; names and documents of persons are masked. */
export interface CustomerFound {
  /** whose customer */
  city: string
  customer: string
  name: string
  kind: string
  district: string
  document?: ShownDocument | null
}

export interface CustomersAnswer {
  customers: CustomerFound[]
  /** whether there are others */
  more: boolean
  parts: AnsweredPart[]
  missing: MissingPart[]
}

/** A line as the card shows it: its number is masked. Money is whole fen. */
export interface CardLine {
  number: string
  service: string
  features: string[]
  status: string
  tariff: string
  address: string
  /** the telephone line that it comes over, or is charged to */
  over: string | null
  /** null here and below: not told, since nobody has shown to be this customer */
  due_fen: number | null
  overdue_fen: number | null
}

/** The bills of one month, of all lines together. */
export interface CardBill {
  month: string
  total_fen: number | null
  open_fen: number | null
  due_on: string
}

export interface CardContact {
  contact: string
  city: string
  channel: string
  began_at: number
  ended_at: number
  ending: string
  service: string
  work_items: string[]
  /** by what the caller showed to be the customer */
  identity: { how: string; line: string; at: number; agent: string | null }[]
}

/** What an agent may check an identity by. */
export const IDENTITY_HOWS = ['id_card', 'service_password', 'call_back'] as const
export type IdentityHow = (typeof IDENTITY_HOWS)[number]

/** A customer whole (`site_node/core/customer_card.py`). */
export interface CustomerCard {
  city: string
  customer: string
  masked: boolean
  name: string
  kind: string
  document: ShownDocument | null
  contact_numbers: string[]
  contact_name: string
  address: string
  district: string
  language: string
  special_needs: string[]
  manager: string | null
  promotions: boolean
  lines: CardLine[]
  due_fen: number | null
  overdue_fen: number | null
  /** paid beyond all bills */
  credit_fen: number | null
  bills: CardBill[]
  contacts: CardContact[]
  /** records that are damaged on disk: where it is not 0, something is missing */
  unread: number
}

/** A card with what is known beside it. */
export interface CardAnswer {
  /** null while the owning city does not answer */
  card: CustomerCard | null
  /** those of another city's customer that arrived here */
  contacts: CardContact[]
  /** open work items of the customer */
  items: ItemShort[]
  parts: AnsweredPart[]
  missing: MissingPart[]
}

export interface BillItem extends Named {
  code: string
  fen: number
  count?: number
}

/** A customer's bills, item by item. */
export interface Statement {
  city: string
  customer: string
  due_fen: number
  overdue_fen: number
  credit_fen: number
  bills: { month: string; line: string; items: BillItem[]; total_fen: number; open_fen: number; due_on: string }[]
  payments: { line: string; fen: number; at: number; channel: string; serving: string | null }[]
}

export interface ArticleShort extends Named {
  article: string
  version: number
  topics: string[]
  /** what is different in this city, to be read before the text */
  difference: Named | null
}

/** A line of what was found, with the place in the text that was asked for. */
export interface ArticleFound extends ArticleShort {
  zh_excerpt: string
  en_excerpt: string
}

export interface ArticleWhole extends ArticleShort {
  zh_body: string
  en_body: string
  owner: string
  approved_by: string
  valid_from: string
  expires_on: string
}

export interface DirectoryEntry {
  name: string
  aliases: string[]
  number: string
  address: string
  category: string
  city: string
  fit: string
}

export interface DirectoryAnswer {
  entries: DirectoryEntry[]
  /** asks for what follows; null at the end */
  token: string | null
  /** not everything that may fit could be looked through */
  more: boolean
  /** of a number: whether it is told whose it is */
  whose: 'told' | 'unlisted' | 'person' | 'unknown' | null
  /** entries that are damaged on disk */
  unread: number
  parts?: AnsweredPart[]
  missing?: MissingPart[]
}

// ── the province ────────────────────────────────────────────────────────────────────────────────────────────────────
export interface SkillPicture extends Named {
  skill: string
  waiting: number
  oldest_wait_s: number
  idle: number
  staffed: number
  /** null: nobody is staffed */
  expected_wait_s: number | null
}

export interface AgentPicture {
  agent: string
  name: string
  state: Presence
  reason: string
  since_s: number
  skills: string[]
  seat: string
  contact: string | null
}

export interface Today {
  offered: number
  answered_here: number
  sent_out: number
  received: number
  abandoned: number
  short: number
  within_target: number
  returned?: number
  moved?: number
  closed?: number
  failed?: number
}

export interface CityPicture {
  city: string
  name: string
  name_en: string
  x: number
  y: number
  seen: boolean
  age_s: number | null
  missing_since: number | null
  /** declared lost for good, until it is heard again */
  lost?: { since: number; by: string; reason: string } | null
  switch_up: boolean
  contacts_live: number
  /** share answered within the target time in the last half hour or less; null: nothing counted */
  service_level: number | null
  base: string
  skills: SkillPicture[]
  agents: AgentPicture[]
  today: Today
}

/** A city as its own node shows it to whoever leads it. */
export interface CityNow {
  city: string
  contacts_live: number
  queues: SkillPicture[]
  agents: AgentPicture[]
}

export interface Flow {
  from: string
  to: string
  up: number
  last_15_min: number
}

export interface ContactSummary {
  contact: string
  city: string
  calling: string
  service: string
  state: string
  serving: string | null
  agent: string | null
  born: number
  waited_s: number | null
  talked_s: number | null
  ending: string | null
  route: string[]
}

export interface Province {
  at: number
  name?: string
  name_en?: string
  /** This hub's id, whether it is the one that leads, and which does as far as it knows; absent before hubs had company. */
  hub?: string
  leads?: boolean
  leader?: string | null
  term: number
  speed: number
  cities: CityPicture[]
  flows: Flow[]
  latest: ContactSummary[]
}

/** One service on some days: of a city, or (`city` null) of all. `within` of `promised` ended in the promised time. */
export interface ServiceLine extends Named {
  city: string | null
  service: string
  aim: number | null
  opened: number
  ended: number
  promised: number
  within: number
  /** customers called back who were asked how satisfied they are, and of these such that gave a mark */
  satisfaction_asked: number
  satisfaction_said: number
  /** of those that gave one: 4 or 5; null without any */
  satisfied_share: number | null
  /** 1 to 5 */
  satisfaction_mean: number | null
  /** as of now, or of the end of the last day */
  open: number
  overdue: number
}

export interface ServicesReport {
  lines: ServiceLine[]
  complete: boolean
  missing: { city: string }[]
  untold: { city: string; items: number }[]
}

export interface ProvinceAttached {
  province: Province
  services: (Named & { service: string })[]
}

export type ProvincePush =
  | { push: 'province'; province: Province }
  | { push: 'taken_over' }
  | { push: 'logged_out'; reason: string }

/** A row of record (`dataset/rows.py`): its fields, and when and where it was written. */
export interface ContactRow {
  kind: string
  wall: number
  node: string
  [field: string]: unknown
}

export type Known = Record<string, number | string>

export interface DecisionRow extends ContactRow {
  n: number
  by: string
  choice: string
  site?: string | null
  agent?: string | null
  why: string
  known: Known
}

export interface ContactWay {
  contact: ContactSummary
  rows: ContactRow[]
  decisions: DecisionRow[]
}
