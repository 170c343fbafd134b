import { problemIn, refusalIn, Refused, UNREACHABLE } from './problem'
import type { Demo, LoggedIn, Nodes } from './shapes'

async function answerOf(path: string, init: RequestInit): Promise<unknown> {
  let response: Response
  try {
    response = await fetch(path, { credentials: 'same-origin', cache: 'no-store', ...init })
  } catch {
    throw new Refused(UNREACHABLE)
  }
  let body: unknown
  try {
    body = await response.json()
  } catch {
    throw new Refused(response.ok ? problemIn(null) : UNREACHABLE, response.status)
  }
  if (!response.ok) throw refusalIn(body, response.status)
  return body
}

/** Where hub and cities are served. Throws `Refused`. */
export async function askNodes(): Promise<Nodes> {
  return (await answerOf('/api/v1/nodes', { method: 'GET' })) as Nodes
}

/** The demo's logins; null where this is no demo. Throws `Refused` when the node cannot be reached. */
export async function askDemo(base: string): Promise<Demo | null> {
  try {
    return (await answerOf(`${base}/api/v1/demo`, { method: 'GET' })) as Demo
  } catch (thrown) {
    if (thrown instanceof Refused && thrown.status === 404) return null
    throw thrown
  }
}

/** Logs in at the node under `base`. Throws `Refused`. */
export async function login(base: string, user: string, password: string, seat?: string): Promise<LoggedIn> {
  const body = seat ? { user, password, seat } : { user, password }
  return (await answerOf(`${base}/api/v1/login`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify(body),
  })) as LoggedIn
}

/** One operation over HTTP, for answers that are larger than a message. Throws `Refused`. */
export async function post(base: string, token: string, op: string, fields: object): Promise<unknown> {
  return answerOf(`${base}/api/v1/${op}`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', Authorization: `Bearer ${token}` },
    body: JSON.stringify(fields),
  })
}

/** An operation that takes a file as it is. Throws `Refused`. */
export async function postFile(base: string, token: string, op: string, fields: Record<string, string>, file: File): Promise<unknown> {
  return answerOf(`${base}/api/v1/${op}?${new URLSearchParams(fields).toString()}`, {
    method: 'POST',
    headers: { 'Content-Type': file.type || 'application/octet-stream', Authorization: `Bearer ${token}` },
    body: file,
  })
}
