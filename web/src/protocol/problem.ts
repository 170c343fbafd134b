import type { Problem } from './shapes'

/** A refusal by a node, or the lack of an answer, as something that can be thrown and shown in either language. */
export class Refused extends Error {
  readonly problem: Problem
  /** everything that was wrong, `problem` first */
  readonly problems: readonly Problem[]
  readonly status: number

  constructor(problem: Problem, status = 0, problems: readonly Problem[] = [problem]) {
    super(`[${problem.slug}] ${problem.en}`)
    this.problem = problem
    this.problems = problems
    this.status = status
    this.name = 'Refused'
  }
}

export const UNREACHABLE: Problem = {
  slug: 'unreachable',
  zh: '连接不上服务器，请稍候再试',
  en: 'The server cannot be reached; try again in a moment',
}

export const DISCONNECTED: Problem = {
  slug: 'disconnected',
  zh: '连接已断开，操作没有确认；重新连上后请核对状态',
  en: 'The connection broke before this was confirmed; check the state once it is back',
}

export const NO_ANSWER: Problem = {
  slug: 'no-answer',
  zh: '服务器没有及时答复，操作是否生效以屏幕状态为准',
  en: 'The server did not answer in time; the state on the screen tells whether it took effect',
}

/** Whether it may be otherwise in a moment, with nothing changed. */
export function isPassing(problem: Problem): boolean {
  return problem === DISCONNECTED || problem === NO_ANSWER || problem.slug === 'too-many-requests'
}

const UNREADABLE: Problem = {
  slug: 'unreadable-answer',
  zh: '服务器的答复无法识别',
  en: 'The server sent an answer that cannot be read',
}

/** What `thrown` says to a person. Anything that is not a refusal is a fault of the screens and is thrown on. */
export function problemOf(thrown: unknown): Problem {
  if (thrown instanceof Refused) return thrown.problem
  throw thrown
}

/** All that `thrown` says to a person, as `problemOf` says the first of it. */
export function problemsOf(thrown: unknown): readonly Problem[] {
  if (thrown instanceof Refused) return thrown.problems
  throw thrown
}

function isProblem(value: unknown): value is Problem {
  return typeof value === 'object' && value !== null && 'slug' in value && 'zh' in value && 'en' in value
}

/** The problem inside a node's answer, wherever the answer carries it. */
export function problemIn(body: unknown): Problem {
  if (typeof body === 'object' && body !== null && 'problem' in body && isProblem(body.problem)) return body.problem
  return UNREADABLE
}

/** A refusal out of a node's answer, with all of its problems. */
export function refusalIn(body: unknown, status = 0): Refused {
  const first = problemIn(body)
  const all = typeof body === 'object' && body !== null && 'problems' in body && Array.isArray(body.problems) ? body.problems.filter(isProblem) : []
  return new Refused(first, status, all.length > 0 ? all : [first])
}
