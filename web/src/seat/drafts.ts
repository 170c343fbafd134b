import { forget, recall, recalled, remember } from '../shared/kept'

/** Text typed for a contact and not yet accepted by the node, kept in this tab so that nothing breaks it: not a
 *  refresh, not a lost connection, not another login in between. */

export function draftOf(contact: string): string {
  return recall('tab', `draft.${contact}`) ?? ''
}

export function keepDraft(contact: string, text: string): void {
  if (text === '') forget('tab', `draft.${contact}`)
  else remember('tab', `draft.${contact}`, text)
}

/** Drops the drafts of contacts that are no longer at the seat. */
export function forgetDraftsBut(contacts: readonly string[]): void {
  for (const key of recalled('tab', 'draft.')) {
    if (!contacts.includes(key.slice('draft.'.length))) forget('tab', key)
  }
}
