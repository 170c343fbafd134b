/** A WebSocket whose other side is the test. */
export class FakeSocket {
  static readonly OPEN = 1
  static made: FakeSocket[] = []
  readyState = 0
  sent: Record<string, unknown>[] = []
  onopen: (() => void) | null = null
  onmessage: ((event: { data: string }) => void) | null = null
  onclose: (() => void) | null = null

  constructor() {
    FakeSocket.made.push(this)
  }

  send(text: string): void {
    this.sent.push(JSON.parse(text) as Record<string, unknown>)
  }

  close(): void {
    this.readyState = 3
  }

  opens(): void {
    this.readyState = 1
    this.onopen?.()
  }

  says(message: object): void {
    this.onmessage?.({ data: JSON.stringify(message) })
  }

  breaks(): void {
    this.readyState = 3
    this.onclose?.()
  }
}

/** The connection that was tried last. */
export function last(): FakeSocket {
  const socket = FakeSocket.made.at(-1)
  if (socket === undefined) throw new Error('no connection was tried')
  return socket
}
