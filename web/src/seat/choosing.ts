import { computed, nextTick, onMounted, ref, watch } from 'vue'
import type { ComputedRef, Ref } from 'vue'

/** A list in which arrows choose and Enter opens; the cursor stays where it is (`aria-activedescendant`). */
export interface Choosing {
  at: Ref<number>
  activeId: ComputedRef<string | undefined>
  idOf: (index: number) => string
  pressed: (event: KeyboardEvent) => void
}

const STEPS: Readonly<Record<string, number>> = { ArrowDown: 1, ArrowUp: -1, PageDown: 8, PageUp: -8 }

/** `open` is told which of `count` was chosen. */
export function useChoosing(base: string, count: () => number, open: (index: number) => void): Choosing {
  const at = ref(0)
  const idOf = (index: number) => `${base}-${index}`
  watch(count, (now) => {
    at.value = Math.max(0, Math.min(at.value, now - 1))
  })

  function pressed(event: KeyboardEvent): void {
    if (event.altKey || event.ctrlKey || event.metaKey || event.shiftKey || event.isComposing) return
    const by = STEPS[event.key]
    if (by !== undefined) {
      event.preventDefault()
      at.value = Math.max(0, Math.min(count() - 1, at.value + by))
      void nextTick(() => document.getElementById(idOf(at.value))?.scrollIntoView({ block: 'nearest' }))
    } else if (event.key === 'Enter' && !event.repeat && at.value < count()) {
      event.preventDefault()
      open(at.value)
    }
  }

  return { at, activeId: computed(() => (count() > 0 ? idOf(at.value) : undefined)), idOf, pressed }
}

/** The id of a tab's element: one word, as references to it have to be. */
export function tabElement(tab: string): string {
  return `tab-${tab.replaceAll(' ', '_')}`
}

/** What the cursor can be put into. */
interface Field {
  focus: () => void
  select: () => void
}

/** Puts the cursor into `field` whenever its tab comes to be shown, unless it is at work elsewhere. */
export function useCursor(field: Ref<Field | null>, shown: () => boolean): void {
  function take(): void {
    if (!shown() || !cursorIsIdle()) return
    field.value?.focus()
    field.value?.select()
  }
  onMounted(take)
  watch(shown, () => void nextTick(take)) // what comes to be shown can take the cursor once it is there
}

/** Whether the cursor is nowhere in particular, so that a part of the page that opens may take it. */
export function cursorIsIdle(): boolean {
  const active = document.activeElement
  return active === null || active === document.body || active.id === 'seat-panel'
}
