import type { ItemWhole, Named, ServiceAction, ServiceWhole, Value } from '../protocol/shapes'
import { textOf } from './form'
import type { Field, Typed } from './form'
import { isTyping } from './keys'

/** What may be done with a work item, and what each of it asks for. The node decides; this only spares a refusal. */

export type StepOp = 'work_act' | 'work_take' | 'work_give_back' | 'work_hand_over' | 'work_park' | 'work_note' | 'work_called_back' | 'work_press'

export interface Step {
  op: StepOp
  /** what the button, the dialog and the receipt call it */
  name: Named
  action: ServiceAction | null
}

const SUPERVISORS = ['supervisor', 'site_admin']

/** The actions of its service that this agent may take now. */
export function actionsOf(item: ItemWhole, whole: ServiceWhole | null): Step[] {
  const known = whole?.actions ?? []
  return item.possible.map((id) => {
    const action = known.find((each) => each.id === id)
    return { op: 'work_act', name: action ?? { zh: id, en: id }, action: action ?? bare(id) }
  })
}

/** An action of a version that this city does not offer any more: all that is known is its code. */
function bare(id: string): ServiceAction {
  return { id, zh: id, en: id, from: [], to: '', roles: [], needs: [], note_required: false, after_call_back: false, asks_satisfaction: false }
}

/** Which of the steps that every item knows make sense for `agent` now. */
export function usualOps(item: ItemWhole, agent: string, roles: readonly string[]): StepOp[] {
  if (item.ends !== null) return ['work_note']
  const mine = item.assignee === agent
  const leads = roles.some((role) => SUPERVISORS.includes(role))
  const ops: StepOp[] = mine ? ['work_give_back', 'work_hand_over', 'work_park'] : agent === '' ? [] : ['work_take']
  if (leads && !mine) ops.push('work_hand_over', ...(item.assignee === null ? [] : (['work_give_back'] as const)))
  ops.push('work_called_back', 'work_note')
  if (leads) ops.push('work_press')
  return ops
}

/** How satisfied the customer is, as it is asked: the digit that chooses it; 0 for whoever would not say. */
export const MARKS = [5, 4, 3, 2, 1, 0] as const

/** Whether a step asks how satisfied the customer is, by the version of the service that the item has. */
export function asksSatisfaction(step: Step, item: ItemWhole): boolean {
  return step.op === 'work_act' && step.action !== null && (item.asks_satisfaction ?? []).includes(step.action.id)
}

/** The mark that a key chooses, typed anywhere but in a text; null for any other key. */
export function markOf(event: KeyboardEvent): number | null {
  if (event.altKey || event.ctrlKey || event.metaKey || event.shiftKey || isTyping(event.target)) return null
  return /^[0-5]$/.test(event.key) ? Number(event.key) : null
}

/** Whether a step is asked about before it is taken: it wants something, or it ends the item. */
export function asks(step: Step, whole: ServiceWhole | null): boolean {
  if (step.op === 'work_take' || step.op === 'work_give_back') return false
  if (step.action === null) return true
  return step.action.needs.length > 0 || step.action.note_required || endsBy(step, whole) || whole === null
}

export function endsBy(step: Step, whole: ServiceWhole | null): boolean {
  const to = whole?.states.find((state) => state.id === step.action?.to)
  return to !== undefined && to.ends !== null
}

/** The fields that an action asks for: those it needs, and those that are asked because of them. */
export function askedBy(action: ServiceAction, fields: readonly Field[]): string[] {
  const wanted = new Set(action.needs)
  for (const field of fields) if (field.when !== null && wanted.has(field.when.field)) wanted.add(field.id)
  return fields.filter((field) => wanted.has(field.id)).map((field) => field.id)
}

/** An item's values as they would be typed. What is masked is left empty: it stays as it is unless it is typed anew. */
export function typedOf(item: ItemWhole, fields: readonly Field[]): Typed {
  const typed: Typed = {}
  for (const field of fields) {
    const value = item.values[field.id]
    if (value !== undefined && !field.personal) typed[field.id] = textOf(field, value)
  }
  return typed
}

/** The fields for a step of `item`: what it has masked need not be typed again. */
export function fieldsFor(item: ItemWhole, fields: readonly Field[]): Field[] {
  return fields.map((field) => (isMasked(item, field) ? { ...field, required: false } : field))
}

export function isMasked(item: ItemWhole, field: Field): boolean {
  return field.personal && item.values[field.id] !== undefined
}

/** A value as it is read, in the words of its field. */
export function shownValue(value: Value, field: Field | undefined, words: { yes: string; no: string; yuan: string; named: (thing: Named) => string }): string {
  if (typeof value === 'boolean') return value ? words.yes : words.no
  if (field === undefined) return String(value)
  if (field.type === 'money') return `${textOf(field, value)} ${words.yuan}`
  const choice = field.choices.find((each) => each.code === value)
  return choice === undefined ? String(value) : words.named(choice)
}
