import { defineStore } from 'pinia'
import { ref } from 'vue'
import { isPassing, problemOf } from '../protocol/problem'
import type { DirectoryAnswer } from '../protocol/shapes'
import { useSeat } from './seat'

/** What there is to look up beside the call. */
export type Part = 'customer' | 'knowledge' | 'directory'
export const PARTS: readonly Part[] = ['directory']

/** Questions that change nothing and find nothing: only a node that does not have the part, or not for this role, refuses
 *  them for that reason. */
const PROBES: Readonly<Record<Part, readonly [op: string, fields: object]>> = {
  customer: ['card', {}],
  knowledge: ['articles', { topic: '-' }],
  directory: ['directory', { text: '' }],
}
const ABSENT: readonly string[] = ['unknown-operation', 'not-your-role']

/** Customers, knowledge and the directory, as far as this city has them for this agent. */
export const useBeside = defineStore('beside', () => {
  const seat = useSeat()
  /** those that are known to be there, or not */
  const parts = ref(new Map<Part, boolean>())
  /** counts agents, so that an answer to one is never taken for the next */
  let turn = 0

  function has(part: Part): boolean {
    return parts.value.get(part) === true
  }

  /** Asks once for each part; again only where there was no answer. */
  async function learn(): Promise<void> {
    const mine = turn
    const open = PARTS.filter((part) => !parts.value.has(part))
    await Promise.all(
      open.map(async (part) => {
        const there = await isThere(...PROBES[part])
        if (there !== null && mine === turn) parts.value.set(part, there)
      }),
    )
  }

  async function isThere(op: string, fields: object): Promise<boolean | null> {
    try {
      await seat.ask(op, fields)
      return true
    } catch (thrown) {
      const problem = problemOf(thrown)
      return isPassing(problem) ? null : !ABSENT.includes(problem.slug)
    }
  }

  /** The agent has gone. */
  function end(): void {
    turn += 1
    parts.value.clear()
  }

  /** Who has which number. `city` may be empty; `token` asks for what follows. Throws `Refused`. */
  async function directory(text: string, city: string, token: string | null): Promise<DirectoryAnswer> {
    return (await seat.ask('directory', { text, city, token })) as DirectoryAnswer
  }

  return { parts, has, learn, end, directory }
})
