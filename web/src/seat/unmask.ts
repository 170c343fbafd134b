import { computed, onScopeDispose, ref, shallowRef, watch } from 'vue'
import type { ComputedRef, Ref, ShallowRef } from 'vue'
import { moment, useNow } from '../shared/clock'
import { useSeat } from '../stores/seat'

/** Personal data in full, for a stated reason and a limited time. The node decides, and has every look on record. */

/** Why somebody looks, as codes; `other` says it in words alone. */
export const REASONS = ['verify', 'call_back', 'visit', 'correct', 'other'] as const
export type UnmaskReason = (typeof REASONS)[number]
/** milliseconds that something is shown in full */
export const SHOWN_MS = 60_000
/** characters of a reason that a node takes */
export const LONGEST_REASON = 200

/** The reason as it goes on record; "" while it says too little. `named` is what the choice is called. */
export function reasonText(reason: UnmaskReason | '', named: string, text: string): string {
  const more = text.trim()
  if (reason === '' || (reason === 'other' && more === '')) return ''
  const whole = reason === 'other' ? more : more === '' ? named : `${named}：${more}`
  return whole.slice(0, LONGEST_REASON)
}

export interface Unmasked<T> {
  /** what is shown in full; null: masked */
  full: ShallowRef<T | null>
  /** milliseconds until it is masked again */
  left: ComputedRef<number>
  /** Asks for it. Throws `Refused`. */
  show: (reason: string) => Promise<void>
  hide: () => void
}

/** Something that `read` gives in full. It is masked again when its time is over, the contact at the seat changes, or the
 *  part of the page that shows it is gone. */
export function useUnmasked<T>(read: (reason: string) => Promise<T>): Unmasked<T> {
  const seat = useSeat()
  const full = shallowRef<T | null>(null) as ShallowRef<T | null>
  const until: Ref<number> = ref(0)
  const now = useNow()
  let timer: ReturnType<typeof setTimeout> | null = null
  let turn = 0

  function hide(): void {
    turn += 1
    if (timer !== null) clearTimeout(timer)
    timer = null
    full.value = null
  }

  async function show(reason: string): Promise<void> {
    hide()
    const mine = turn
    const found = await read(reason)
    if (mine !== turn) return
    full.value = found
    until.value = moment() + SHOWN_MS
    timer = setTimeout(hide, SHOWN_MS)
  }

  watch(() => seat.call?.contact, hide)
  onScopeDispose(hide)
  return { full, left: computed(() => (full.value === null ? 0 : Math.max(0, until.value - now.value))), show, hide }
}
