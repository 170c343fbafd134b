/** Customers, knowledge and the directory of the imitated province: a handful of each. */

import type { DirectoryEntry } from '../src/protocol/shapes.ts'
import { CITIES, MockRefusal } from './province.ts'

type Fields = Record<string, unknown>

const PAGE = 20
const NAMES: readonly [name: string, category: string, street: string][] = [
  ['天河电子有限公司', 'electronics', '天河区体育西路'],
  ['白云酒家', 'food', '越秀区北京路'],
  ['市第一人民医院', 'health', '越秀区盘福路'],
  ['珠江货运站', 'transport', '海珠区滨江路'],
]

function text(fields: Fields, name: string): string {
  return typeof fields[name] === 'string' ? fields[name] : ''
}

function refuse(status: number, slug: string, zh: string, en: string, place = ''): never {
  throw new MockRefusal(status, slug, zh, en, place)
}

function listedIn(city: string): DirectoryEntry[] {
  const area = CITIES.find((each) => each.city === city)?.area ?? ''
  return NAMES.flatMap(([name, category, street], i) =>
    ['总机', '客户服务热线', '销售部', '财务部', '人事部', '工会', '传达室'].map((part, at) => ({
      name: at === 0 ? name : `${name}${part}`,
      aliases: i === 2 && at === 0 ? ['一医院'] : [],
      number: `${area.replace(/^00/, '0')}8888${i}${String(at).padStart(3, '0')}`,
      address: `${street} ${10 + i} 号`,
      category,
      city,
      fit: 'beginning',
    })),
  )
}

export class MockBeside {
  knows(op: string): boolean {
    return op === 'directory'
  }

  act(who: string, op: string, fields: Fields): object {
    const own = who.split('@')[1] ?? ''
    if (op === 'directory') return this.directory(own, text(fields, 'text'), text(fields, 'city') || own, text(fields, 'token'))
    return refuse(404, 'unknown-operation', '没有此操作', 'there is no such operation', op)
  }

  private directory(own: string, asked: string, city: string, token: string): object {
    if (asked.trim() === '') refuse(400, 'directory-text', '请输入要查的', 'say what is looked for', 'text')
    const isNumber = /^\d+$/.test(asked)
    const hits = listedIn(city).filter((entry) => asked.split(/\s+/).every((each) => [entry.name, entry.number, entry.address, ...entry.aliases].some((of) => of.includes(each))))
    const from = Number(token || 0)
    const problem = { slug: 'city-silent', zh: '没有在两秒内答复', en: 'did not answer within two seconds' }
    return {
      entries: hits.slice(from, from + PAGE),
      token: hits.length > from + PAGE ? String(from + PAGE) : null,
      more: false,
      whose: isNumber ? (hits.length > 0 ? 'told' : 'unknown') : null,
      unread: 0,
      parts: [{ city, as_of: Date.now() / 1000 }],
      missing: city !== own && city === 'foshan' ? [{ city, problem }] : [],
    }
  }
}
