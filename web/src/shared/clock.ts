import { onScopeDispose, readonly, ref } from 'vue'
import type { Ref } from 'vue'

const now = ref(performance.now())
let listeners = 0
let timer: ReturnType<typeof setInterval> | null = null

/** A moment on this page's own steady clock, in milliseconds. */
export function moment(): number {
  return performance.now()
}

/** The page's steady clock in milliseconds, renewed four times a second while some part of a screen watches it. */
export function useNow(): Readonly<Ref<number>> {
  now.value = performance.now()
  listeners += 1
  timer ??= setInterval(() => {
    now.value = performance.now()
  }, 250)
  onScopeDispose(() => {
    listeners -= 1
    if (listeners === 0 && timer !== null) {
      clearInterval(timer)
      timer = null
    }
  })
  return readonly(now)
}
