import { DISCONNECTED, NO_ANSWER, refusalIn, Refused } from './problem'
import type { Problem } from './shapes'

/** `connecting` before the first attach, `live`, `lost` while it tries again, `ended` when it will not. */
export type LinkStatus = 'connecting' | 'live' | 'lost' | 'ended'

export interface LiveEars {
  /** attached, at first and after every reconnect; `answer` is what `attach` answered */
  attached: (answer: unknown) => void
  pushed: (push: { push: string }) => void
  status: (status: LinkStatus) => void
  /** the node refuses this token: log in again */
  refused: (problem: Problem) => void
}

interface Waiting {
  resolve: (value: unknown) => void
  reject: (reason: Refused) => void
  deadline: ReturnType<typeof setTimeout>
}

const ANSWER_WITHIN_MS = 10_000
/** silence after which the page asks whether the node is still there, and the time it gives it to answer */
const QUIET_MS = 5_000
const PROOF_WITHIN_MS = 5_000
const RETRY_FIRST_MS = 500
const RETRY_MOST_MS = 8_000

/** Milliseconds before the `n`-th try in a row (from 0): doubling, with ±25 % so that pages do not return in step. */
export function retryAfter(n: number, chance: number = Math.random()): number {
  return Math.min(RETRY_MOST_MS, RETRY_FIRST_MS * 2 ** Math.min(n, 10)) * (0.75 + chance / 2)
}

/** One page's connection to one node: attaches with its token, comes back after every break, and proves by asking
 *  that a quiet node is still there, so that the age a screen shows is honest. */
export class LiveConnection {
  private socket: WebSocket | null = null
  private counter = 0
  private tries = 0
  private readonly waiting = new Map<number, Waiting>()
  private retry: ReturnType<typeof setTimeout> | null = null
  private quiet: ReturnType<typeof setTimeout> | null = null
  private status: LinkStatus = 'connecting'
  private readonly address: string
  private readonly token: string
  private readonly ears: LiveEars

  constructor(address: string, token: string, ears: LiveEars) {
    this.address = address
    this.token = token
    this.ears = ears
  }

  open(): void {
    if (this.status === 'ended') return
    const socket = new WebSocket(this.address)
    this.socket = socket
    socket.onopen = () => void this.attach(socket)
    socket.onmessage = (event: MessageEvent) => {
      if (this.socket === socket) this.hear(String(event.data))
    }
    socket.onclose = () => {
      if (this.socket === socket) this.broke()
    }
  }

  /** Sends one operation and gives its answer, which is waited for `withinMs`. Throws `Refused`. */
  async ask(op: string, fields: object = {}, withinMs = ANSWER_WITHIN_MS): Promise<unknown> {
    if (this.status !== 'live') throw new Refused(DISCONNECTED)
    return this.send(op, fields, withinMs)
  }

  /** Ends the connection for good. */
  close(): void {
    this.turn('ended')
    this.letGo()
  }

  /** Tries at once instead of at the next turn (the machine is back on the network, the tab is seen again). */
  hurry(): void {
    if (this.status === 'lost' && this.retry !== null) {
      clearTimeout(this.retry)
      this.retry = null
      this.open()
    }
  }

  private send(op: string, fields: object, within = ANSWER_WITHIN_MS): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const socket = this.socket
      if (socket === null || socket.readyState !== WebSocket.OPEN) {
        reject(new Refused(DISCONNECTED))
        return
      }
      const id = ++this.counter
      const deadline = setTimeout(() => {
        this.waiting.delete(id)
        reject(new Refused(NO_ANSWER))
      }, within)
      this.waiting.set(id, { resolve, reject, deadline })
      socket.send(JSON.stringify({ ...fields, id, op }))
    })
  }

  private async attach(socket: WebSocket): Promise<void> {
    try {
      const answer = await this.send('attach', { token: this.token })
      if (this.socket !== socket) return
      this.tries = 0
      this.turn('live')
      this.listen()
      this.ears.attached(answer)
    } catch (thrown) {
      if (!(thrown instanceof Refused)) throw thrown
      if (this.socket !== socket) return
      if (thrown.problem === DISCONNECTED || thrown.problem === NO_ANSWER) {
        this.broke()
        return
      }
      this.close()
      this.ears.refused(thrown.problem)
    }
  }

  private hear(text: string): void {
    const message = JSON.parse(text) as Record<string, unknown>
    if (this.status === 'live') this.listen()
    if (typeof message['push'] === 'string') {
      this.ears.pushed(message as { push: string })
      return
    }
    const id = message['re']
    const waiting = typeof id === 'number' ? this.waiting.get(id) : undefined
    if (waiting === undefined || typeof id !== 'number') return
    this.waiting.delete(id)
    clearTimeout(waiting.deadline)
    if ('ok' in message) waiting.resolve(message['ok'])
    else waiting.reject(refusalIn(message, typeof message['status'] === 'number' ? message['status'] : 0))
  }

  private listen(): void {
    if (this.quiet !== null) clearTimeout(this.quiet)
    this.quiet = setTimeout(() => void this.prove(), QUIET_MS)
  }

  /** Any answer is proof of life, a refusal too. */
  private async prove(): Promise<void> {
    try {
      await this.send('ping', {}, PROOF_WITHIN_MS)
    } catch (thrown) {
      if (!(thrown instanceof Refused)) throw thrown
      if (thrown.problem === NO_ANSWER) this.broke()
    }
  }

  private broke(): void {
    this.letGo()
    if (this.status === 'ended') return
    this.turn('lost')
    this.retry = setTimeout(() => {
      this.retry = null
      this.open()
    }, retryAfter(this.tries++))
  }

  private letGo(): void {
    const socket = this.socket
    this.socket = null
    if (this.retry !== null) clearTimeout(this.retry)
    if (this.quiet !== null) clearTimeout(this.quiet)
    this.retry = this.quiet = null
    socket?.close()
    for (const waiting of this.waiting.values()) {
      clearTimeout(waiting.deadline)
      waiting.reject(new Refused(DISCONNECTED))
    }
    this.waiting.clear()
  }

  private turn(status: LinkStatus): void {
    if (this.status === status) return
    this.status = status
    this.ears.status(status)
  }
}

/** The WebSocket address of the node under `base` on this page's own host. */
export function liveAddress(base: string, at: Location = window.location): string {
  return `${at.protocol === 'https:' ? 'wss:' : 'ws:'}//${at.host}${base}/api/v1/live`
}
