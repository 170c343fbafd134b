/** Keys of the agent desktop. They are off while somebody types, unless a modifier is held; Ctrl+Enter is modified. */

export type KeyAction = 'answer' | 'hold' | 'transfer' | 'hang_up' | 'ready' | 'not_ready' | 'finish' | 'call_back' | 'services' | 'knowledge' | 'submit' | 'close_tab' | 'keys'

export const KEYS: Record<KeyAction, string> = {
  answer: 'F2',
  hold: 'F4',
  transfer: 'F7',
  hang_up: 'F8',
  ready: 'F9',
  not_ready: 'F10',
  finish: 'Ctrl+Enter',
  call_back: 'F6',
  services: 'F3',
  knowledge: 'Ctrl+K',
  submit: 'Ctrl+S',
  close_tab: 'Alt+W',
  keys: 'F1',
}
/** Tabs in their order, from left to right. */
export const TAB_KEYS = 'Alt+1…9'

const BY_KEY = new Map<string, KeyAction>([
  ['F1', 'keys'],
  ['F2', 'answer'],
  ['F3', 'services'],
  ['F4', 'hold'],
  ['F6', 'call_back'],
  ['F7', 'transfer'],
  ['F8', 'hang_up'],
  ['F9', 'ready'],
  ['F10', 'not_ready'],
])

export interface Pressed {
  key: string
  /** the key's place on the board, whatever the layout and Alt make of it */
  code?: string
  ctrlKey: boolean
  shiftKey: boolean
  altKey: boolean
  metaKey: boolean
  repeat: boolean
}

/** What a key press asks for; null when it is not ours. */
export function actionOf(pressed: Pressed, typing: boolean): KeyAction | null {
  if (pressed.repeat) return null // a key held down is one wish
  if (pressed.key === 'Enter') return (pressed.ctrlKey || pressed.metaKey) && !pressed.altKey ? 'finish' : null
  if (pressed.key.toLowerCase() === 's' && (pressed.ctrlKey || pressed.metaKey) && !pressed.altKey && !pressed.shiftKey) return 'submit'
  if (pressed.key.toLowerCase() === 'k' && (pressed.ctrlKey || pressed.metaKey) && !pressed.altKey && !pressed.shiftKey) return 'knowledge'
  if (altAlone(pressed) && pressed.code === 'KeyW') return 'close_tab'
  const action = BY_KEY.get(pressed.key) ?? null
  if (pressed.altKey || pressed.metaKey) return null // Alt+F4 and the like belong to the machine
  if (typing && action !== 'keys' && !pressed.shiftKey && !pressed.ctrlKey) return null // to read which keys there are disturbs nothing
  return action
}

function altAlone(pressed: Pressed): boolean {
  return pressed.altKey && !pressed.ctrlKey && !pressed.metaKey && !pressed.shiftKey
}

/** Which tab a key press asks for, counted from 0; null when it is not ours. */
export function tabOf(pressed: Pressed): number | null {
  const digit = /^Digit([1-9])$/.exec(pressed.code ?? '')?.[1]
  return digit === undefined || pressed.repeat || !altAlone(pressed) ? null : Number(digit) - 1
}

/** Whether keys pressed at `target` make text. */
export function isTyping(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false
  if (target instanceof HTMLInputElement) return !['button', 'checkbox', 'radio', 'submit'].includes(target.type)
  return target instanceof HTMLTextAreaElement || target instanceof HTMLSelectElement || target.isContentEditable
}
