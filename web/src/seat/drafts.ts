import { forget, recall, recalled, remember } from '../shared/kept'
import type { Typed } from './form'

/** Text typed for a contact and not yet accepted by the node, kept in this tab so that nothing breaks it: not a
 *  refresh, not a lost connection, not another login in between. */

export function draftOf(contact: string): string {
  return recall('tab', `draft.${contact}`) ?? ''
}

export function keepDraft(contact: string, text: string): void {
  if (text === '') forget('tab', `draft.${contact}`)
  else remember('tab', `draft.${contact}`, text)
}

/** What the agent to whom a contact is about to be transferred shall read. */
export function passNoteOf(contact: string): string {
  return recall('tab', `pass.${contact}`) ?? ''
}

export function keepPassNote(contact: string, text: string): void {
  if (text === '') forget('tab', `pass.${contact}`)
  else remember('tab', `pass.${contact}`, text)
}

/** Where something is looked for at a seat. */
export type LookedIn = 'customers' | 'directory' | 'knowledge'

/** The words that `agent` has typed to look for there. */
export function questionOf(agent: string, where: LookedIn): string {
  return recall('tab', `question.${agent}.${where}`) ?? ''
}

export function keepQuestion(agent: string, where: LookedIn, text: string): void {
  if (text === '') forget('tab', `question.${agent}.${where}`)
  else remember('tab', `question.${agent}.${where}`, text)
}

/** The customer's number as far as it is known: what the agent has typed, or the calling number. Masked as it is shown it
 *  stands for the whole one, which the node knows. */
export function lineOf(contact: string, calling: string): string {
  return recall('tab', `line.${contact}`) ?? (/^\d{0,3}(\*{4})?\d{1,15}$/.test(calling) ? calling : '')
}

export function keepLine(contact: string, line: string): void {
  remember('tab', `line.${contact}`, line)
}

/** The numbers whose customer the caller has shown to be. */
export function checkedOf(contact: string): readonly string[] {
  return (recall('tab', `checked.${contact}`) ?? '').split(' ').filter((line) => line !== '')
}

export function keepChecked(contact: string, line: string): void {
  remember('tab', `checked.${contact}`, [...new Set([...checkedOf(contact), line])].join(' '))
}

/** Drops the drafts of contacts that are no longer at the seat. */
export function forgetDraftsBut(contacts: readonly string[]): void {
  for (const prefix of ['draft.', 'pass.', 'line.', 'checked.']) {
    for (const key of recalled('tab', prefix)) {
      if (!contacts.includes(key.slice(prefix.length))) forget('tab', key)
    }
  }
}

/** A form on its way to being handed in: one per contact and service. It outlives its call, so that what the customer
 *  has said is not lost with the wrap-up; it ends when it is accepted or put away. */
export interface FormDraft {
  service: string
  /** the contact it was opened for; "" without one */
  contact: string
  calling: string
  typed: Typed
  line: string
  customer: string
  /** city that is to own the item; "" leaves it to the number */
  owning: string
  /** taken in at the desk, in yuan */
  collected: string
  /** the ended item whose matter is back; "" for none */
  againOf: string
  /** names this form to the node: sent again after an answer that was lost, it is the same request */
  key: string
  /** what it was handed in as, while the owning city has not answered; "" before */
  request: string
  /** its tab is closed while it waits for the answer */
  putAway: boolean
  /** it opened by itself, since the caller chose its service; closed by itself where nothing came of that */
  byChoice: boolean
}

export function formKey(draft: Pick<FormDraft, 'contact' | 'service' | 'againOf'>): string {
  return [draft.service, draft.contact, draft.againOf].filter((part) => part !== '').join(' ')
}

export function keepForm(agent: string, draft: FormDraft): void {
  remember('tab', `form.${agent}.${formKey(draft)}`, JSON.stringify(draft))
}

export function forgetForm(agent: string, key: string): void {
  forget('tab', `form.${agent}.${key}`)
}

/** The forms that `agent` has left unfinished in this tab. */
export function formsOf(agent: string): FormDraft[] {
  return recalled('tab', `form.${agent}.`)
    .sort()
    .flatMap((key) => {
      const draft = readForm(recall('tab', key))
      return draft === null ? [] : [draft]
    })
}

/** What was typed for a step of a work item that is not yet taken. */
export interface StepDraft {
  typed: Typed
  note: string
  collected: string
  /** how satisfied the customer is; null or left out before that is chosen */
  satisfaction?: number | null
}

export function keepStep(agent: string, item: string, step: string, draft: StepDraft): void {
  remember('tab', `step.${agent}.${item}.${step}`, JSON.stringify(draft))
}

export function forgetStep(agent: string, item: string, step: string): void {
  forget('tab', `step.${agent}.${item}.${step}`)
}

export function stepOf(agent: string, item: string, step: string): StepDraft | null {
  const value = read(recall('tab', `step.${agent}.${item}.${step}`))
  return value !== null && 'typed' in value && 'note' in value ? (value as StepDraft) : null
}

/** Drops the forms, steps and questions of everybody else: another agent sits here now. */
export function forgetFormsBut(agent: string): void {
  for (const prefix of ['form.', 'step.', 'question.']) {
    for (const key of recalled('tab', prefix)) {
      if (!key.startsWith(`${prefix}${agent}.`)) forget('tab', key)
    }
  }
}

const EMPTY: FormDraft = {
  service: '',
  contact: '',
  calling: '',
  typed: {},
  line: '',
  customer: '',
  owning: '',
  collected: '',
  againOf: '',
  key: '',
  request: '',
  putAway: false,
  byChoice: false,
}

/** A form with nothing typed yet. */
export function freshForm(of: Partial<FormDraft> & { service: string }): FormDraft {
  return { ...EMPTY, key: crypto.randomUUID(), ...of, typed: { ...of.typed } }
}

function readForm(text: string | null): FormDraft | null {
  const value = read(text)
  return value !== null && 'service' in value && 'typed' in value && typeof value.typed === 'object' ? { ...EMPTY, ...(value as FormDraft) } : null
}

function read(text: string | null): object | null {
  try {
    const value: unknown = JSON.parse(text ?? 'null')
    return typeof value === 'object' ? value : null
  } catch {
    return null // written by another version: it cannot be shown
  }
}
