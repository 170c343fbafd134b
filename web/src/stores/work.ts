import { defineStore } from 'pinia'
import { computed, ref, shallowRef, watch } from 'vue'
import { isPassing, problemOf, problemsOf } from '../protocol/problem'
import type { AgentTarget, CityNow, IdentityHow, ItemAnswer, ItemShort, ItemsAnswer, Named, Problem, Receipt, ServiceShort, ServiceWhole, Value } from '../protocol/shapes'
import { maskedNumber } from '../seat/customer'
import { checkedOf, forgetForm, forgetFormsBut, formKey, formsOf, freshForm, keepChecked, keepForm, keepLine, lineOf } from '../seat/drafts'
import type { FormDraft } from '../seat/drafts'
import { opens } from '../seat/find'
import { fenOf } from '../seat/form'
import { keepReceipts, pendingOf, receiptsOf, withReceipt } from '../seat/receipts'
import type { Asked, KeptReceipt } from '../seat/receipts'
import { recall, remember } from '../shared/kept'
import { PARTS, useBeside } from './beside'
import type { Part } from './beside'
import { usePlaces } from './places'
import { useSeat } from './seat'

/** A form that is open in a tab. */
export interface OpenForm {
  key: string
  draft: FormDraft
  sending: boolean
  problems: readonly Problem[]
  /** set while it waits for the owning city, and when it was accepted */
  receipt: Receipt | null
}

export interface SeatTab {
  id: string
  kind: 'call' | 'services' | 'items' | Part | 'form' | 'item'
  /** `OpenForm.key` or the item */
  of: string
}

/** Whether nothing was filled in but what was known beforehand. */
function isUntouched({ draft, receipt, sending }: OpenForm): boolean {
  const typed = Object.entries(draft.typed).filter(([field, text]) => text !== '' && !(field === 'line' && text === draft.line))
  return receipt === null && !sending && typed.length === 0 && draft.collected.trim() === ''
}

const ASK_AGAIN_MS = 20_000

function fixed(kind: 'call' | 'services' | 'items' | Part): SeatTab {
  return { id: kind, kind, of: '' }
}

/** Services, forms, work items and receipts of the agent at this seat, and which of them are open beside the call. */
export const useWork = defineStore('work', () => {
  const seat = useSeat()
  const places = usePlaces()
  const beside = useBeside()
  /** null: not known yet */
  const services = ref<ServiceShort[] | null>(null)
  const wholes = ref(new Map<string, ServiceWhole>())
  const receipts = ref<KeptReceipt[]>([])
  const forms = ref<OpenForm[]>([])
  const items = ref<{ item: string; owning: string }[]>([])
  const tab = ref('call')
  /** the last answer of another city */
  const news = shallowRef<KeptReceipt | null>(null)
  /** an item whose steps this agent has just heard of; renewed with every one */
  const moved = shallowRef<{ item: string } | null>(null)
  /** the number of the customer in the call, as far as it is known */
  const line = ref('')
  /** a dialog asks for something: nothing may take its place on the screen */
  const asking = ref(false)
  /** the form that has just opened by itself, or `services`: the cursor stays where it is */
  const unasked = ref('')
  /** the numbers whose customer the caller in a call has shown to be */
  const checked = shallowRef<{ contact: string; lines: readonly string[] } | null>(null)
  /** what the node has said of numbers that look, masked, like one that was checked elsewhere */
  const held = shallowRef<ReadonlyMap<string, boolean>>(new Map())
  const holding = new Set<string>()
  const early = new Map<string, Receipt>()
  let agent = ''
  let again: ReturnType<typeof setInterval> | null = null

  const offered = computed(() => (services.value?.length ?? 0) > 0)
  const tabs = computed<SeatTab[]>(() => [
    fixed('call'),
    ...(offered.value ? [fixed('services'), fixed('items')] : []),
    ...PARTS.filter(beside.has).map(fixed),
    ...forms.value.map((form): SeatTab => ({ id: `form ${form.key}`, kind: 'form', of: form.key })),
    ...items.value.map(({ item }): SeatTab => ({ id: `item ${item}`, kind: 'item', of: item })),
  ])
  /** whether there is anything beside the call */
  const tabbed = computed(() => services.value !== null && tabs.value.length > 1)
  const current = computed(() => (tabbed.value ? (tabs.value.find((each) => each.id === tab.value) ?? null) : null))
  const pending = computed(() => pendingOf(receipts.value))

  /** the service that the caller chose by keys, where there is one of that name */
  const chosen = computed(() => services.value?.find((each) => each.id === seat.call?.service) ?? null)

  /** the services of the branch that the caller chose, or dialled, where none is that choice itself */
  const branch = computed(() => {
    const { call } = seat
    return call === null || chosen.value !== null ? [] : (services.value ?? []).filter((each) => each.chosen === call.service && opens(each))
  })
  /** the list of services keeps to that branch */
  const within = ref(false)

  seat.hearWork(hear)
  watch(
    () => seat.call?.contact,
    (contact) => {
      line.value = contact === undefined ? '' : lineOf(contact, seat.call?.calling ?? '')
    },
    { immediate: true },
  )
  watch(
    () => [seat.call?.contact, seat.call?.state] as const,
    ([contact, state], [before]) => {
      if (contact !== before) within.value = false
      if (contact !== before && before !== undefined) closeUnused(before, true)
      else if (contact !== undefined && state === 'wrap_up') closeUnused(contact, false)
    },
  )
  watch(line, (now) => {
    const contact = seat.call?.contact
    if (contact !== undefined && now !== lineOf(contact, seat.call?.calling ?? '')) keepLine(contact, now)
  })
  watch(tab, (now) => remember('tab', 'seat-tab', now))

  // ── the agent comes and goes ──────────────────────────────────────────────────────────────────────────────────────
  /** `who` is at the seat and the node can be asked: at first, and after every break of the connection. */
  async function begin(who: string): Promise<void> {
    if (who !== agent) {
      end()
      agent = who
      forgetFormsBut(who)
      receipts.value = receiptsOf(who, seat.wallAt())
      forms.value = formsOf(who)
        .filter((draft) => !draft.putAway)
        .map(opened)
      tab.value = recall('tab', 'seat-tab') ?? 'call'
      again = setInterval(() => void renew(), ASK_AGAIN_MS)
    }
    await renew()
  }

  function end(): void {
    if (again !== null) clearInterval(again)
    again = null
    agent = ''
    beside.end()
    services.value = null
    wholes.value.clear()
    receipts.value = []
    forms.value = []
    items.value = []
    tab.value = 'call'
  }

  async function renew(): Promise<void> {
    if (seat.status !== 'live') return
    await Promise.all([services.value === null ? learnServices() : null, beside.learn()])
    for (const each of pending.value) {
      try {
        hear((await seat.ask('work_request', { request: each.request })) as Receipt)
      } catch (thrown) {
        problemOf(thrown) // it stays pending, and is asked for again
      }
    }
  }

  async function learnServices(): Promise<void> {
    const who = agent
    try {
      const answer = (await seat.ask('services')) as { services: ServiceShort[] }
      if (who !== agent) return
      services.value = answer.services
      places.learnServices(answer.services.map(({ id, zh, en }) => ({ service: id, zh, en })))
    } catch (thrown) {
      if (!isPassing(problemOf(thrown)) && who === agent) services.value = [] // this city, or this role, has none
    }
  }

  /** The service with its form. Throws `Refused`. */
  async function whole(id: string): Promise<ServiceWhole> {
    const known = wholes.value.get(id)
    if (known !== undefined) return known
    const { service } = (await seat.ask('service', { service: id })) as { service: ServiceWhole }
    wholes.value.set(id, service)
    return service
  }

  /** What a service is called; its code where the city does not offer it. */
  function called(id: string): Named {
    const short = services.value?.find((each) => each.id === id)
    return short ?? { zh: id, en: id }
  }

  // ── tabs ──────────────────────────────────────────────────────────────────────────────────────────────────────────
  function show(id: string): void {
    if (tabs.value.some((each) => each.id === id)) tab.value = id
  }

  /** The tab that stands before `id`, which is about to close. */
  function leave(id: string): void {
    if (tab.value !== id) return
    const at = tabs.value.findIndex((each) => each.id === id)
    const kind = tabs.value[at]?.kind
    const next = tabs.value[at + 1] ?? tabs.value[at - 1]
    tab.value = next === undefined || next.of === '' ? (kind === 'item' ? 'items' : 'services') : next.id
  }

  /** `owning`: its city, which is asked where nothing is known of it here. */
  function openItem(item: string, owning = ''): void {
    if (!items.value.some((each) => each.item === item)) items.value.push({ item, owning })
    show(`item ${item}`)
  }

  function closeItem(item: string): void {
    leave(`item ${item}`)
    items.value = items.value.filter((each) => each.item !== item)
  }

  // ── forms ─────────────────────────────────────────────────────────────────────────────────────────────────────────
  function opened(draft: FormDraft): OpenForm {
    const receipt = receipts.value.find((each) => each.request === draft.request) ?? null
    if (receipt?.state !== 'refused') return { key: formKey(draft), draft, sending: false, problems: [], receipt }
    return { key: formKey(draft), draft: { ...draft, request: '' }, sending: false, problems: receipt.problems, receipt: null }
  }

  /** Opens the form of a service, or shows the one that is open; with `of` an ended item whose matter is back. */
  function openForm(service: string, of?: Pick<ItemShort, 'item' | 'line' | 'customer' | 'owning'>): void {
    const call = seat.call?.state === 'alerting' ? null : seat.call
    const draft = freshForm({
      service,
      contact: call?.contact ?? '',
      calling: call?.calling ?? '',
      line: of?.line ?? line.value,
      customer: of?.customer ?? '',
      owning: of?.owning ?? '',
      againOf: of?.item ?? '',
    })
    const key = formKey(draft)
    const kept = formsOf(agent).find((each) => formKey(each) === key)
    const open = forms.value.find((form) => form.key === key)
    if (open?.receipt?.state === 'accepted') Object.assign(open, opened(draft)) // that one is done: another of its kind
    else if (open === undefined) forms.value.push(opened(kept === undefined ? draft : { ...kept, putAway: false }))
    show(`form ${key}`)
  }

  /** Opens the form of what the caller chose, before all other forms; in `front`, or behind what is shown. Of a branch that
   *  several services share, those are listed. Whether there is anything of it. */
  function openChosen(front: boolean): boolean {
    const { call } = seat
    const service = chosen.value ?? (branch.value.length === 1 ? branch.value[0] : undefined)
    if (branch.value.length > 1) {
      within.value = true
      if (front && tab.value !== 'services') unasked.value = 'services'
      if (front) show('services')
      return true
    }
    if (call === null || service === undefined || !opens(service)) return false
    const draft = freshForm({ service: service.id, contact: call.contact, calling: call.calling, line: line.value, byChoice: true })
    const key = formKey(draft)
    if (!forms.value.some((form) => form.key === key)) {
      const kept = formsOf(agent).find((each) => formKey(each) === key)
      forms.value.unshift(opened(kept === undefined ? draft : { ...kept, putAway: false }))
      if (front) unasked.value = key
    }
    if (front) show(`form ${key}`)
    return true
  }

  /** Closes what opened by itself for a contact: where nothing was filled in, and once it is `over` also what is answered at
   *  once. */
  function closeUnused(contact: string, over: boolean): void {
    for (const form of forms.value.filter(({ draft }) => draft.byChoice && draft.contact === contact)) {
      const answered = services.value?.find((each) => each.id === form.draft.service)?.makes_work === false
      if (!isUntouched(form) && !(over && answered)) continue
      if (tab.value === `form ${form.key}`) tab.value = 'call'
      closeForm(form.key)
    }
    if (within.value && tab.value === 'services') tab.value = 'call'
    within.value = false
  }

  /** Keeps what is typed. */
  function keep(form: OpenForm): void {
    if (form.receipt?.state === 'accepted') return
    keepForm(agent, form.draft)
  }

  /** Closes a form: what was typed is put away with it, unless another city still owes its answer. */
  function closeForm(key: string): void {
    const form = forms.value.find((each) => each.key === key)
    if (form === undefined) return
    leave(`form ${key}`)
    forms.value = forms.value.filter((each) => each !== form)
    if (form.receipt?.state === 'pending') keepForm(agent, { ...form.draft, putAway: true })
    else forgetForm(agent, key)
  }

  /** Whether a refused form is still there to be put right. */
  function correctable(receipt: KeptReceipt): boolean {
    if (receipt.state !== 'refused' || receipt.form === null) return false
    const open = forms.value.find((form) => form.key === receipt.form)
    return open === undefined ? formsOf(agent).some((draft) => formKey(draft) === receipt.form) : open.receipt === null
  }

  /** Opens again what another city has refused, with all that was typed; false where it is kept no longer. */
  function reopen(receipt: KeptReceipt): boolean {
    const key = receipt.form
    if (key === null) return false
    if (!forms.value.some((form) => form.key === key)) {
      const draft = formsOf(agent).find((each) => formKey(each) === key)
      if (draft === undefined) return false
      forms.value.push(opened({ ...draft, putAway: false }))
    }
    show(`form ${key}`)
    return true
  }

  async function submit(form: OpenForm, values: Record<string, Value>, whichLine: string): Promise<void> {
    if (form.sending || form.receipt !== null) return
    const { draft } = form
    form.sending = true
    form.problems = []
    try {
      const receipt = await hand('work_open', {
        service: draft.service,
        line: whichLine,
        customer: draft.customer.trim(),
        owning: draft.owning,
        values,
        contact: draft.contact === seat.call?.contact ? draft.contact : '', // a call that is over can be named no more
        collected_fen: fenOf(draft.collected) ?? 0,
        again_of: draft.againOf,
        key: draft.key,
      }, { at: seat.wallAt(), service: called(draft.service), action: null, form: form.key })
      settle(form, receipt)
    } catch (thrown) {
      form.problems = problemsOf(thrown)
    } finally {
      form.sending = false
    }
  }

  function settle(form: OpenForm, receipt: Receipt): void {
    form.receipt = receipt.state === 'refused' ? null : receipt
    form.problems = receipt.problems
    form.draft.request = receipt.state === 'pending' ? receipt.request : ''
    if (receipt.state === 'accepted') forgetForm(agent, form.key)
    else keep(form)
  }

  /** Hands in a question that no article answers; `topic` is where the answer was looked for. Throws `Refused`. */
  async function noAnswer(text: string, topic: string): Promise<Receipt> {
    const short = text.length > 20 ? `${text.slice(0, 20)}…` : text
    const asked: Asked = { at: seat.wallAt(), service: { zh: `没有答案：${short}`, en: `No answer: ${short}` }, action: null, form: null }
    return hand('knowledge_missing', { text, topic, contact: seat.call?.contact ?? '' }, asked)
  }

  // ── the customer in the call ────────────────────────────────────────────────────────────────────────────────────
  /** Takes `number` for the customer's own: in lists, and in the call's forms where nothing else was typed. */
  function useLine(number: string): void {
    const before = line.value
    line.value = number
    const contact = seat.call?.contact ?? ''
    for (const form of forms.value) {
      const { draft } = form
      const typed = draft.typed['line'] ?? ''
      if (form.receipt !== null || draft.contact !== contact || ![before, ''].includes(typed || draft.line)) continue
      draft.line = number
      if (typed !== '') draft.typed['line'] = number
      keep(form)
    }
  }

  /** The caller has shown to be the customer of `whichLine`. Throws `Refused`. */
  async function checkIdentity(whichLine: string, how: IdentityHow = 'id_card'): Promise<void> {
    const contact = seat.call?.contact
    if (contact === undefined) return
    await seat.ask('identity_checked', { contact, line: whichLine, how })
    keepChecked(contact, whichLine)
    checked.value = { contact, lines: [...(checked.value?.contact === contact ? checked.value.lines : []), ...checkedOf(contact), whichLine] }
  }

  function isChecked(whichLine: string): boolean {
    const contact = seat.call?.contact
    if (contact === undefined || whichLine === '') return false
    if ((checked.value?.contact === contact ? checked.value.lines : checkedOf(contact)).includes(whichLine)) return true
    const alike = seat.call?.identity?.filter((check) => check.line === maskedNumber(whichLine)) ?? []
    if (alike.length === 0) return false
    const question = [contact, whichLine, ...alike.map((check) => check.at)].join(' ') // another check, another question
    const known = held.value.get(question)
    if (known === undefined) void askHeld(question, contact, whichLine)
    return known === true
  }

  /** The state names the checked lines masked, and two may look alike: the node knows which was meant. */
  async function askHeld(question: string, contact: string, whichLine: string): Promise<void> {
    if (holding.has(question)) return
    holding.add(question)
    try {
      const answer = (await seat.ask('identity_of', { contact, line: whichLine })) as { checked: boolean }
      held.value = new Map([...held.value].filter(([each]) => each.startsWith(`${contact} `))).set(question, answer.checked)
    } catch (thrown) {
      problemOf(thrown) // asked for again with the next state of the seat
    } finally {
      holding.delete(question)
    }
  }

  // ── receipts ──────────────────────────────────────────────────────────────────────────────────────────────────────
  /** Hands in a form or a step, and keeps its receipt. Throws `Refused`. */
  async function hand(op: string, fields: object, asked: Asked): Promise<Receipt> {
    return taken((await seat.ask(op, fields)) as Receipt, asked)
  }

  /** Keeps the receipt of something that was handed in, as it stands by now. */
  function taken(first: Receipt, asked: Asked): Receipt {
    const receipt = early.get(first.request) ?? first // the answer may have overtaken the receipt
    early.delete(first.request)
    receipts.value = withReceipt(receipts.value, receipt, asked)
    keepReceipts(agent, receipts.value)
    if (receipt.item !== '') moved.value = { item: receipt.item }
    return receipt
  }

  function hear(receipt: Receipt): void {
    const known = receipts.value.find((each) => each.request === receipt.request)
    if (known === undefined) {
      early.set(receipt.request, receipt)
      return
    }
    if (known.state !== 'pending' || receipt.state === 'pending') return
    receipts.value = withReceipt(receipts.value, receipt, known)
    keepReceipts(agent, receipts.value)
    const form = forms.value.find((each) => each.draft.request === receipt.request)
    if (form !== undefined) settle(form, receipt)
    else if (known.form !== null && receipt.state === 'accepted') forgetForm(agent, known.form)
    news.value = { ...known, ...receipt }
    moved.value = { item: receipt.item }
  }

  // ── work items ────────────────────────────────────────────────────────────────────────────────────────────────────
  /** Items of a line, of this agent, or waiting in this city's queue. Throws `Refused`. */
  async function itemsOf(which: { line: string } | { mine: true } | { waiting: true }): Promise<ItemsAnswer> {
    const masked = 'line' in which && which.line.includes('*') && seat.call !== null
    return (await seat.ask('work_items', masked ? { ...which, contact: seat.call.contact } : which)) as ItemsAnswer
  }

  /** An item; with `reason` in full, which goes on record. Throws `Refused`. */
  async function itemOf(item: string, reason?: string): Promise<ItemAnswer> {
    const which = { item, owning: items.value.find((each) => each.item === item)?.owning ?? '' }
    return (await seat.ask('work_item', reason === undefined ? which : { ...which, unmask: true, reason })) as ItemAnswer
  }

  /** Whom an item can be handed to: anybody in the province; for somebody who takes no calls, whoever works in this city.
   *  Throws `Refused`. */
  async function colleagues(text: string): Promise<AgentTarget[]> {
    if (seat.state?.roles.includes('agent') === true) return (await seat.targets(text)).agents
    const { city, agents } = (await seat.ask('city')) as CityNow
    return agents
      .filter((each) => each.name.includes(text) || each.agent.startsWith(text))
      .map((each) => ({ agent: each.agent, name: each.name, city, presence: each.state, since_s: each.since_s, age_s: 0, skills: each.skills }))
  }

  /** One step of an item; `action` is what the receipt calls it. Throws `Refused`. */
  async function step(op: string, item: ItemShort, fields: object, action: Named): Promise<Receipt> {
    return hand(op, { item: item.item, owning: item.owning, ...fields }, { at: seat.wallAt(), service: { zh: item.zh, en: item.en }, action, form: null })
  }

  return {
    services, wholes, receipts, forms, items, tab, news, moved, line, asking,
    offered, tabs, tabbed, current, pending,
    begin, end, whole, called, chosen, branch, within, unasked, show, openItem, closeItem, openForm, openChosen, keep, closeForm, correctable, reopen, submit, taken, noAnswer, callers: beside.callers, useLine, checkIdentity, isChecked, itemsOf, itemOf, colleagues, step,
  }
})
