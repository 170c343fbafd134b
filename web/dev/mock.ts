/** Serves the built screens and the imitated province: `npm run build && npm run mock -- --port 8765`.
 *  `POST /mock/lose?city=foshan`, `POST /mock/find?city=foshan` and `POST /mock/drop` (breaks all connections) are its own. */

import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { extname, join, normalize } from 'node:path'
import { parseArgs } from 'node:util'
import { WebSocketServer } from 'ws'
import type { WebSocket } from 'ws'
import type { DemoLogin } from '../src/protocol/shapes.ts'
import { MockBeside } from './beside.ts'
import { CITIES, MockProvince, MockRefusal } from './province.ts'
import { SERVICES } from './services.ts'
import { MockWork } from './work.ts'

const { values } = parseArgs({
  options: {
    port: { type: 'string', default: '8765' },
    seed: { type: 'string', default: '7' },
    speed: { type: 'string', default: '1' },
    'calls-per-hour': { type: 'string', default: '240' },
    'warm-up': { type: 'string', default: '600' },
    'no-open': { type: 'boolean', default: false },
    'no-services': { type: 'boolean', default: false },
  },
})
const speed = Number(values.speed)
const province = new MockProvince(Number(values.seed), Number(values['calls-per-hour']))
const work = new MockWork(values['no-services'] ? [] : SERVICES)
const beside = new MockBeside()
for (let i = 0; i < Number(values['warm-up']); i++) province.step(1)

const dist = join(import.meta.dirname, '..', 'dist')
const TYPES: Record<string, string> = { '.html': 'text/html; charset=utf-8', '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml' }
const POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'self'"

const sessions = new Map<string, { base: string; who: string }>()
const seats = new Map<string, WebSocket>()
const consoles = new Set<WebSocket>()

const logins: DemoLogin[] = [
  { kind: 'province', user: 'province', password: 'demo-province', city: null, base: '/hub', seat: null, name: '省调度员' },
  ...CITIES.map((city): DemoLogin => {
    const first = province.agents.find((agent) => agent.city === city.city)
    return { kind: 'agent', user: String(city.from), password: 'demo', city: city.city, base: `/city/${city.city}`, seat: first?.seat ?? '', name: first?.name ?? '' }
  }),
]

function login(base: string, body: Record<string, unknown>): object {
  const city = base.startsWith('/city/') ? base.slice('/city/'.length) : null
  const user = String(body['user'])
  const known = city === null ? user === 'province' && body['password'] === 'demo-province' : body['password'] === 'demo'
  const agent = city === null ? undefined : province.agentNamed(`${user}@${city}`)
  if (!known || (city !== null && agent === undefined)) throw new MockRefusal(401, 'login-failed', '用户名或密码不对', 'the user name or the password is wrong')
  const token = `mock-${sessions.size + 1}-${Math.random().toString(36).slice(2)}`
  if (agent === undefined) {
    sessions.set(token, { base, who: user })
    return { token, name: '省调度员', roles: ['province'] }
  }
  const seat = String(body['seat'] ?? agent.seat)
  const before = seats.get(agent.agent)
  if (before !== undefined) {
    before.send(JSON.stringify({ push: 'taken_over' }))
    before.close()
    seats.delete(agent.agent)
    for (const [old, session] of sessions) if (session.who === agent.agent) sessions.delete(old)
  }
  province.logIn(agent, seat)
  sessions.set(token, { base, who: agent.agent })
  return { token, agent: agent.agent, name: agent.name, roles: ['agent'], city: agent.city, seat }
}

function operate(base: string, who: string, op: string, fields: Record<string, unknown>): object {
  if (base !== '/hub') return beside.knows(op) && !values['no-services'] ? beside.act(who, op, fields) : work.knows(op) ? work.act(who, op, fields) : province.act(who, op, fields)
  if (op === 'ping') return {}
  if (op === 'contacts') return { contacts: province.latest(typeof fields['city'] === 'string' ? fields['city'] : null, Number(fields['limit'] ?? 50)) }
  if (op === 'services_report') return province.services()
  if (op === 'contact') return province.way(String(fields['contact']))
  throw new MockRefusal(400, 'bad-request', '没有这个操作', 'there is no such operation', 'op')
}

function send(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify(body))
}

async function bodyOf(request: IncomingMessage): Promise<Record<string, unknown>> {
  const parts: Buffer[] = []
  for await (const part of request) parts.push(part as Buffer)
  return JSON.parse(Buffer.concat(parts).toString() || '{}') as Record<string, unknown>
}

async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const url = new URL(request.url ?? '/', 'http://localhost')
  const api = /^(\/hub|\/city\/[^/]+|)\/api\/v1\/(\w+)$/.exec(url.pathname)
  if (api !== null) {
    const [, base = '', op = ''] = api
    if (op === 'nodes') return send(response, 200, { hub: '/hub', cities: CITIES.map(({ city, name, name_en }) => ({ city, name, name_en, base: `/city/${city}` })) })
    if (op === 'demo') return send(response, 200, { demo: true, logins, speed })
    if (op === 'login') return send(response, 200, login(base, await bodyOf(request)))
    return send(response, 404, { problem: { slug: 'unknown-path', zh: '没有这个地址', en: 'no such path', place: url.pathname } })
  }
  const city = url.searchParams.get('city') ?? ''
  if (url.pathname === '/mock/lose') province.lost.set(city, province.now)
  if (url.pathname === '/mock/find') province.lost.delete(city)
  if (url.pathname === '/mock/drop') for (const socket of server.clients) socket.terminate()
  if (url.pathname.startsWith('/mock/')) return send(response, 200, {})
  await serveFile(url.pathname, response)
}

async function serveFile(path: string, response: ServerResponse): Promise<void> {
  const wanted = extname(path) === '' ? '/index.html' : normalize(path)
  try {
    const bytes = await readFile(join(dist, wanted))
    response.writeHead(200, { 'Content-Type': TYPES[extname(wanted)] ?? 'application/octet-stream', 'Content-Security-Policy': POLICY, 'X-Content-Type-Options': 'nosniff' }).end(bytes)
  } catch {
    response.writeHead(404).end()
  }
}

const http = createServer((request, response) => {
  serve(request, response).catch((thrown: unknown) => {
    if (thrown instanceof MockRefusal) send(response, thrown.status, { problem: thrown.problem, problems: thrown.problems })
    else throw thrown
  })
})
const server = new WebSocketServer({ server: http })

server.on('connection', (socket, request) => {
  const base = (request.url ?? '').replace(/\/api\/v1\/live$/, '')
  let who = ''
  socket.on('message', (data: Buffer) => {
    const { id, op, ...fields } = JSON.parse(data.toString()) as Record<string, unknown>
    try {
      if (who === '') {
        const session = sessions.get(String(fields['token']))
        if (op !== 'attach' || session?.base !== base) throw new MockRefusal(401, 'not-logged-in', '请先登录', 'log in first')
        who = session.who
        if (base === '/hub') consoles.add(socket)
        else seats.set(who, socket)
        socket.send(JSON.stringify({ re: id, ok: base === '/hub' ? { province: province.picture(speed), services: [] } : province.seatState(who) }))
        return
      }
      socket.send(JSON.stringify({ re: id, ok: operate(base, who, String(op), fields) }))
      if (op === 'logout') {
        socket.send(JSON.stringify({ push: 'logged_out', reason: '' }))
        socket.close()
      }
    } catch (thrown) {
      if (!(thrown instanceof MockRefusal)) throw thrown
      socket.send(JSON.stringify({ re: id, status: thrown.status, problem: thrown.problem, problems: thrown.problems }))
    }
  })
  socket.on('close', () => {
    consoles.delete(socket)
    if (seats.get(who) === socket) seats.delete(who)
  })
})

province.changed = (agent) => seats.get(agent)?.send(JSON.stringify({ push: 'state', state: province.seatState(agent) }))
work.answered = (agent, receipt) => seats.get(agent)?.send(JSON.stringify({ push: 'work', receipt }))
setInterval(() => province.step(0.25 * speed), 250)
setInterval(() => work.step(), 250)
setInterval(() => {
  const text = JSON.stringify({ push: 'province', province: province.picture(speed) })
  for (const socket of consoles) socket.send(text)
}, 1000)

http.listen(Number(values.port), '127.0.0.1', () => {
  const address = http.address()
  console.log(`http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : ''}/`)
})
