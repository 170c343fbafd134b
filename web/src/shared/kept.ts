/** What a tab, or a browser, remembers. Storage may be forbidden; then nothing is remembered and all else works. */

function storage(kind: 'tab' | 'browser'): Storage | null {
  try {
    return kind === 'tab' ? window.sessionStorage : window.localStorage
  } catch {
    return null
  }
}

export function remember(kind: 'tab' | 'browser', key: string, value: string): void {
  try {
    storage(kind)?.setItem(`yht.${key}`, value)
  } catch {
    // full or forbidden: the screen still works, it only forgets
  }
}

export function recall(kind: 'tab' | 'browser', key: string): string | null {
  return storage(kind)?.getItem(`yht.${key}`) ?? null
}

export function forget(kind: 'tab' | 'browser', key: string): void {
  storage(kind)?.removeItem(`yht.${key}`)
}

/** Keys beginning with `prefix` that are remembered, without the common part. */
export function recalled(kind: 'tab' | 'browser', prefix: string): string[] {
  const found: string[] = []
  const kept = storage(kind)
  for (let i = 0; kept !== null && i < kept.length; i++) {
    const key = kept.key(i)
    if (key?.startsWith(`yht.${prefix}`)) found.push(key.slice('yht.'.length))
  }
  return found
}
