import { defineStore } from 'pinia'
import { ref, shallowRef, watch } from 'vue'
import { DISCONNECTED, isPassing, NO_ANSWER, problemOf, Refused } from '../protocol/problem'
import type { ArticleFound, ArticleShort, ArticleWhole, CardAnswer, CustomerCard, CustomerFound, CustomersAnswer, DirectoryAnswer, MissingPart, Statement } from '../protocol/shapes'
import { once } from '../seat/article'
import { useSeat } from './seat'

/** What there is to look up beside the call. */
export type Part = 'customer' | 'knowledge' | 'directory'
export const PARTS: readonly Part[] = ['customer', 'knowledge', 'directory']
/** a question that no article answers can be handed in */
type Known = Part | 'unanswered'

/** Questions that change nothing and find nothing: only a node that does not have the part, or not for this role, refuses
 *  them for that reason. */
const PROBES: Readonly<Record<Known, readonly [op: string, fields: object]>> = {
  customer: ['card', { line: 0 }], // not even a question: that is not put on record as a look at a customer
  knowledge: ['articles', { topic: '-' }],
  directory: ['directory', { text: '' }],
  unanswered: ['knowledge_missing', { text: '' }],
}
const ALL: readonly Known[] = [...PARTS, 'unanswered']
/** whoever has none of these is refused, and that would go on record */
const SEE_CUSTOMERS: readonly string[] = ['agent', 'supervisor', 'site_admin']
const ABSENT: readonly string[] = ['unknown-operation', 'not-your-role']

/** Where the agent is at work in a form: its topics of knowledge, and those of the field that has the cursor. */
export interface Looking {
  form: string
  topics: readonly string[]
  field: string
}

/** Who calls in the call at this seat: all customers with that number, and the card where it is one. */
export interface Caller {
  contact: string
  found: readonly CustomerFound[]
  /** cities that may know the number and did not answer */
  missing: readonly MissingPart[]
  whole: CardAnswer | null
}

/** Names a customer. `city`: whose. */
export type CardOf = { customer: string; city: string } | { line: string }

/** Customers, knowledge and the directory, as far as this city has them for this agent. */
export const useBeside = defineStore('beside', () => {
  const seat = useSeat()
  /** those that are known to be there, or not */
  const parts = ref(new Map<Known, boolean>())
  /** counts agents, so that an answer to one is never taken for the next */
  let turn = 0
  const looking = shallowRef<Looking | null>(null)
  /** the article that is read */
  const reading = ref('')
  const caller = shallowRef<Caller | null>(null)
  const ofTopic = new Map<string, readonly ArticleShort[]>()
  const customers = new Map<string, CustomersAnswer>()

  watch(
    () => (has('customer') && seat.call !== null ? seat.call.contact : ''),
    (contact) => {
      if (caller.value?.contact !== contact) caller.value = null
      if (contact !== '') void learnCaller(contact)
    },
  )
  watch(
    () => seat.status,
    (status) => {
      const contact = has('customer') ? (seat.call?.contact ?? '') : ''
      if (status === 'live' && contact !== '' && caller.value === null) void learnCaller(contact)
    },
  )

  function has(part: Known): boolean {
    return parts.value.get(part) === true
  }

  /** Asks once for each part; again only where there was no answer. */
  async function learn(): Promise<void> {
    const mine = turn
    const open = ALL.filter((part) => !parts.value.has(part))
    await Promise.all(
      open.map(async (part) => {
        const barred = part === 'customer' && seat.state?.roles?.every((role) => !SEE_CUSTOMERS.includes(role)) === true
        const there = barred ? false : await isThere(...PROBES[part])
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
    looking.value = null
    reading.value = ''
    caller.value = null
    ofTopic.clear()
    customers.clear()
  }

  /** Who has which number. `city` may be empty; `token` asks for what follows. Throws `Refused`. */
  async function directory(text: string, city: string, token: string | null): Promise<DirectoryAnswer> {
    return (await seat.ask('directory', { text, city, token })) as DirectoryAnswer
  }

  // ── customers ───────────────────────────────────────────────────────────────────────────────────────────────────────
  /** Customers whose number calls in the call at this seat; none where the city keeps no customers. */
  async function callers(): Promise<readonly CustomerFound[]> {
    const contact = seat.call?.contact
    if (contact === undefined) return []
    try {
      return (await callerAnswer(contact)).customers
    } catch (thrown) {
      problemOf(thrown) // the number of the customer can be typed
      return []
    }
  }

  async function callerAnswer(contact: string): Promise<CustomersAnswer> {
    const known = customers.get(contact)
    if (known !== undefined) return known
    const answer = (await seat.ask('customers', { contact })) as CustomersAnswer
    if (answer.missing.length === 0) customers.set(contact, answer)
    return answer
  }

  /** Whoever calls. What a break of the connection has cost is asked for once more when it is back. */
  async function learnCaller(contact: string): Promise<void> {
    const learnt: Caller = { contact, found: [], missing: [], whole: null }
    try {
      const { customers: found, missing } = await callerAnswer(contact)
      Object.assign(learnt, { found, missing })
      const [only, ...others] = found
      if (only !== undefined && others.length === 0) learnt.whole = await wholeCard({ customer: only.customer, city: only.city })
    } catch (thrown) {
      if (problemOf(thrown) === DISCONNECTED) return
      // the customer can be looked for, and then it is told why not
    }
    if (seat.call?.contact === contact) caller.value = learnt
  }

  /** By a number of theirs, a document, or a name from its beginning. Throws `Refused`. */
  async function findCustomers(text: string, everywhere: boolean): Promise<CustomersAnswer> {
    return (await seat.ask('customers', { text, everywhere })) as CustomersAnswer
  }

  /** What is known of a customer, from whichever city. Throws `Refused`. */
  async function wholeCard(of: CardOf): Promise<CardAnswer> {
    return (await seat.ask('card', of)) as CardAnswer
  }

  /** In full, for a `reason` that goes on record. Throws `Refused`, also where the owning city does not answer. */
  async function cardInFull(of: CardOf, reason: string): Promise<CustomerCard> {
    const { card, missing } = (await seat.ask('card', { ...of, unmask: true, reason })) as CardAnswer
    if (card === null) throw new Refused(missing[0]?.problem ?? NO_ANSWER)
    return card
  }

  /** Bills item by item. Throws `Refused`. */
  async function statement(of: CardOf): Promise<Statement> {
    return ((await seat.ask('statement', of)) as { statement: Statement }).statement
  }

  // ── knowledge ───────────────────────────────────────────────────────────────────────────────────────────────────────
  /** Articles of these topics, each once, those of the first topic first. Throws `Refused`. */
  async function articlesOf(topics: readonly string[]): Promise<ArticleShort[]> {
    const lists = await Promise.all(topics.map(articlesOfOne))
    return once(lists.flat(), (each) => each.article)
  }

  async function articlesOfOne(topic: string): Promise<readonly ArticleShort[]> {
    const known = ofTopic.get(topic)
    if (known !== undefined) return known
    const { articles } = (await seat.ask('articles', { topic })) as { articles: ArticleShort[] }
    ofTopic.set(topic, articles)
    return articles
  }

  /** Throws `Refused`. */
  async function findArticles(text: string): Promise<ArticleFound[]> {
    return ((await seat.ask('article_search', { text })) as { articles: ArticleFound[] }).articles
  }

  /** Throws `Refused`. */
  async function article(name: string): Promise<ArticleWhole> {
    return ((await seat.ask('article', { article: name })) as { article: ArticleWhole }).article
  }

  /** Says whether an article helped, in the call at this seat where there is one. Throws `Refused`. */
  async function vote(name: string, useful: boolean): Promise<void> {
    await seat.ask('article_vote', { article: name, useful, contact: seat.call?.contact ?? '' })
  }

  return { looking, reading, caller, callers, findCustomers, wholeCard, cardInFull, statement, articlesOf, findArticles, article, vote, parts, has, learn, end, directory }
})
