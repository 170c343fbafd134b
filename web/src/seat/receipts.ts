import type { Named, Receipt } from '../protocol/shapes'
import { day } from '../shared/format'
import { recall, remember } from '../shared/kept'

/** What this agent has handed in today, and what became of it. Kept in this tab, so that a refresh loses no answer
 *  that another city still owes. */
export interface KeptReceipt extends Receipt {
  /** when it was handed in, in seconds since 1970 */
  at: number
  /** what was asked: the service, and the action on an item that there was */
  service: Named
  action: Named | null
  /** the form that it was (`formKey`); null for a step of an item */
  form: string | null
}

export type Asked = Pick<KeptReceipt, 'at' | 'service' | 'action' | 'form'>

const MOST = 200

/** The list with `receipt` in it, newest first. An answer is final: what comes late and says `pending` changes nothing. */
export function withReceipt(list: readonly KeptReceipt[], receipt: Receipt, asked: Asked): KeptReceipt[] {
  const known = list.find((each) => each.request === receipt.request)
  if (known === undefined) return [{ ...receipt, ...asked }, ...list].slice(0, MOST)
  const answered = known.state !== 'pending' && receipt.state === 'pending'
  return list.map((each) => (each === known ? { ...(answered ? known : { ...known, ...receipt }) } : each))
}

/** Those that another city still owes an answer. */
export function pendingOf(list: readonly KeptReceipt[]): KeptReceipt[] {
  return list.filter((each) => each.state === 'pending')
}

function isList(value: unknown): value is KeptReceipt[] {
  return Array.isArray(value) && value.every((each: unknown) => typeof each === 'object' && each !== null && 'request' in each && 'service' in each)
}

/** What is kept of today and, whatever the day, what is still pending. */
export function receiptsOf(agent: string, now: number): KeptReceipt[] {
  try {
    const value: unknown = JSON.parse(recall('tab', `receipts.${agent}`) ?? '[]')
    return isList(value) ? value.filter((each) => each.state === 'pending' || day(each.at) === day(now)) : []
  } catch {
    return [] // written by another version
  }
}

export function keepReceipts(agent: string, list: readonly KeptReceipt[]): void {
  remember('tab', `receipts.${agent}`, JSON.stringify(list))
}
