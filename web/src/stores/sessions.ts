import type { LoggedIn } from '../protocol/shapes'
import { forget, recall, remember } from '../shared/kept'

/** Logins of this tab, one per node, so that a refresh attaches again. */

function isLogin(value: unknown): value is LoggedIn {
  return typeof value === 'object' && value !== null && 'token' in value && 'name' in value && 'roles' in value
}

export function keepSession(base: string, login: LoggedIn): void {
  remember('tab', `session.${base}`, JSON.stringify(login))
}

export function keptSession(base: string): LoggedIn | null {
  const text = recall('tab', `session.${base}`)
  if (text === null) return null
  try {
    const value: unknown = JSON.parse(text)
    return isLogin(value) ? value : null
  } catch {
    return null // written by another version: log in again
  }
}

export function dropSession(base: string): void {
  forget('tab', `session.${base}`)
}
