import { beforeEach, describe, expect, it } from 'vitest'
import { draftOf, forgetDraftsBut, keepDraft } from '../src/seat/drafts'
import { actionOf, isTyping, tabOf } from '../src/seat/keys'
import type { Pressed } from '../src/seat/keys'

function press(key: string, held: Partial<Pressed> = {}): Pressed {
  return { key, ctrlKey: false, shiftKey: false, altKey: false, metaKey: false, repeat: false, ...held }
}

describe('keys', () => {
  it('do what the buttons show', () => {
    const actions = ['F2', 'F4', 'F6', 'F7', 'F8', 'F9', 'F10'].map((key) => actionOf(press(key), false))
    expect(actions).toEqual(['answer', 'hold', 'call_back', 'transfer', 'hang_up', 'ready', 'not_ready'])
    expect(actionOf(press('Enter', { ctrlKey: true }), false)).toBe('finish')
    expect(actionOf(press('k', { ctrlKey: true }), true)).toBe('knowledge')
    expect(actionOf(press('k'), false)).toBeNull()
  })

  it('are off while typing, unless modified', () => {
    expect(actionOf(press('F8'), true)).toBeNull()
    expect(actionOf(press('F1'), true)).toBe('keys') // to read which there are
    expect(actionOf(press('F8', { shiftKey: true }), true)).toBe('hang_up')
    expect(actionOf(press('Enter'), true)).toBeNull()
    expect(actionOf(press('Enter', { ctrlKey: true }), true)).toBe('finish')
  })

  it('leave the machine its own, and take a key held down for one wish', () => {
    expect(actionOf(press('F4', { altKey: true }), false)).toBeNull()
    expect(actionOf(press('F8', { repeat: true }), false)).toBeNull()
    expect(actionOf(press('a'), false)).toBeNull()
  })

  it('go to tabs, hand in and close while somebody types', () => {
    expect(tabOf(press('3', { code: 'Digit3', altKey: true }))).toBe(2)
    expect(tabOf(press('£', { code: 'Digit3', altKey: true }))).toBe(2) // a board where Alt makes other signs
    expect([tabOf(press('3', { code: 'Digit3' })), tabOf(press('3', { code: 'Digit3', altKey: true, ctrlKey: true })), tabOf(press('0', { code: 'Digit0', altKey: true }))]).toEqual([null, null, null])
    expect(actionOf(press('s', { ctrlKey: true }), true)).toBe('submit')
    expect(actionOf(press('w', { code: 'KeyW', altKey: true }), true)).toBe('close_tab')
    expect(actionOf(press('F3'), false)).toBe('services')
    expect(actionOf(press('F3'), true)).toBeNull()
    expect(actionOf(press('F3', { shiftKey: true }), true)).toBe('services')
    expect(actionOf(press('s'), false)).toBeNull()
  })

  it('know where text is typed', () => {
    const radio = document.createElement('input')
    radio.type = 'radio'
    expect(isTyping(document.createElement('textarea'))).toBe(true)
    expect(isTyping(document.createElement('input'))).toBe(true)
    expect(isTyping(radio)).toBe(false)
    expect(isTyping(document.createElement('button'))).toBe(false)
    expect(isTyping(null)).toBe(false)
  })
})

describe('drafts', () => {
  beforeEach(() => window.sessionStorage.clear())

  it('live as long as their contact is at the seat', () => {
    keepDraft('a', '还没写完')
    keepDraft('b', 'half')
    forgetDraftsBut(['a'])
    expect(draftOf('a')).toBe('还没写完')
    expect(draftOf('b')).toBe('')
    keepDraft('a', '')
    expect(draftOf('a')).toBe('')
  })
})
