/** Customers, knowledge and the directory of the imitated province: a handful of each. */

import type { ArticleWhole, CustomerCard, DirectoryEntry } from '../src/protocol/shapes.ts'
import { CITIES, MockRefusal } from './province.ts'

type Fields = Record<string, unknown>

const PAGE = 20
const SILENT = { slug: 'city-silent', zh: '没有在两秒内答复', en: 'did not answer within two seconds' }
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

function cardOf(city: string, customer: string): CustomerCard {
  const area = CITIES.find((each) => each.city === city)?.area.replace(/^00/, '0') ?? ''
  const line = `${area}8888`.slice(0, 3)
  return {
    city,
    customer: customer.padStart(2, '0').slice(-2),
    masked: true,
    name: '王**',
    kind: 'residential',
    document: { kind: 'resident_id', number: '440***********1234' },
    contact_numbers: ['138****0001'],
    contact_name: '',
    address: '天河区体育西路***',
    district: '天河区',
    language: 'zh',
    special_needs: customer.endsWith('17') ? ['elderly', 'dialect_cantonese'] : [],
    manager: customer.endsWith('17') ? `1002@${city}` : null,
    promotions: false,
    lines: [
      { number: `${line}****0001`, service: 'install_line', features: ['caller_id', 'domestic_direct', 'call_waiting'], status: 'active', tariff: 'rent_home', address: '天河区体育西路***', over: null, due_fen: 4520, overdue_fen: 0 },
      { number: `${line}****0002`, service: 'fibre_broadband', features: [], status: 'suspended', tariff: 'fibre_500m', address: '天河区体育西路***', over: `${line}****0001`, due_fen: 16900, overdue_fen: 16900 },
    ],
    due_fen: 21420,
    overdue_fen: 16900,
    credit_fen: 0,
    bills: [
      { month: '2026-10', total_fen: 21420, open_fen: 21420, due_on: '2026-11-20' },
      { month: '2026-09', total_fen: 21050, open_fen: 0, due_on: '2026-10-20' },
    ],
    contacts: [{ contact: '0020-7f3a9c21-000901', city, channel: 'voice', began_at: 1_795_000_000, ended_at: 1_795_000_190, ending: 'completed', service: 'fault', work_items: [], identity: [{ how: 'menu_pin', line: `${line}****0001`, at: 1_795_000_020, agent: null }] }],
    unread: 0,
  }
}

function foundOf({ city, customer, name, kind, district, document }: CustomerCard): object {
  return { city, customer, name, kind, district, document }
}

function articlesIn(city: string): ArticleWhole[] {
  const one = (article: string, topics: string[], zh: string, en: string, zh_body: string, en_body: string, here = false): ArticleWhole => ({
    article,
    version: 1,
    topics,
    zh,
    en,
    difference: here ? { zh: `${CITIES.find((each) => each.city === city)?.name ?? ''}另须登记楼宇编号。`, en: 'The number of the building is noted too.' } : null,
    zh_body,
    en_body,
    owner: '市场经营部',
    approved_by: '省客户服务中心',
    valid_from: '2026-01-01',
    expires_on: '2027-12-31',
  })
  const ask = '受理前请核对机主身份，查有无欠费和在办的单。\n\n- 旧址与新址\n- 希望的日期\n- 新址是否有人\n\n做不到的要事先讲明断开多久。'
  const askEn = 'Check the identity, debts and open items first.\n\n- the old address and the new one\n- the day wanted\n- who will be there\n\nSay how long the gap is.'
  return [
    one('order-fibre', ['order/fibre'], '光纤宽带受理须知', 'Taking an order for fibre', ask, askEn, true),
    one('order-visit', ['order/fibre', 'order/visit'], '上门时间怎样约', 'Agreeing on a visit', ask, askEn),
    one('fault-line-test', ['fault/line'], '测线结果怎样看', 'Reading a line test', ask, askEn),
    one('enquiry-bill', ['enquiry/bill'], '帐单怎样解释', 'Explaining a bill', ask, askEn),
  ]
}

/** For whoever serves somebody who has not shown to be this customer. */
function withoutAmounts(card: CustomerCard): CustomerCard {
  const lines = card.lines.map((each) => ({ ...each, due_fen: null, overdue_fen: null }))
  const bills = card.bills.map((each) => ({ ...each, total_fen: null, open_fen: null }))
  return { ...card, lines, bills, due_fen: null, overdue_fen: null, credit_fen: null }
}

export class MockBeside {
  private readonly checked = new Set<string>()

  knows(op: string): boolean {
    return ['directory', 'customers', 'card', 'statement', 'identity_checked', 'articles', 'article_search', 'article', 'article_vote', 'knowledge_missing'].includes(op)
  }

  act(who: string, op: string, fields: Fields): object {
    const own = who.split('@')[1] ?? ''
    if (op === 'directory') return this.directory(own, text(fields, 'text'), text(fields, 'city') || own, text(fields, 'token'))
    if (op === 'customers') return this.customers(own, text(fields, 'text'), text(fields, 'contact'), fields['everywhere'] === true)
    if (op === 'identity_checked') {
      this.checked.add(who)
      return {}
    }
    if (op === 'card') {
      if (text(fields, 'customer') === '' && text(fields, 'line') === '') refuse(400, 'one-of-two', '请给出其中之一', 'give one of the two')
      const city = text(fields, 'city') || own
      const away = city === 'foshan'
      const card = cardOf(city, text(fields, 'customer'))
      const names = ['customer', 'lines', 'bills', 'contacts', 'items']
      const known = {
        contacts: [],
        items: [],
        parts: away ? [] : names.map((part) => ({ part, city, as_of: Date.now() / 1000 })),
        missing: away ? names.map((part) => ({ part, city, problem: SILENT })) : [],
      }
      const theirs = this.checked.has(who) && card.customer.endsWith('17')
      if (fields['unmask'] !== true || away) return { card: away ? null : theirs ? card : withoutAmounts(card), ...known }
      if (text(fields, 'reason').trim() === '') refuse(400, 'reason-missing', '请写明为什么要看完整资料，它会记录在案', 'say why it is needed in full; the reason goes on record', 'reason')
      const [first, ...others] = card.lines
      const lines = first === undefined ? [] : [{ ...first, number: '02088880001', address: '天河区体育西路 18 号' }, ...others]
      return { card: { ...card, masked: false, name: '王小明', contact_numbers: ['13800000001'], address: '天河区体育西路 18 号', lines }, ...known }
    }
    if (op === 'statement') {
      const line = '020****0001'
      const items = [{ code: 'monthly_rent', zh: '月租费', en: 'Monthly rent', fen: 2200 }, { code: 'local_call', zh: '市话费', en: 'Local calls', fen: 850, count: 17 }]
      return {
        statement: { city: text(fields, 'city'), customer: text(fields, 'customer'), due_fen: 3050, overdue_fen: 0, credit_fen: 0, bills: [{ month: '2026-10', line, items, total_fen: 3050, open_fen: 3050, due_on: '2026-11-20' }], payments: [] },
        parts: [{ city: text(fields, 'city'), as_of: Date.now() / 1000 }],
      }
    }
    if (op === 'articles') return { articles: articlesIn(own).filter((each) => each.topics.some((topic) => topic === fields['topic'] || topic.startsWith(`${text(fields, 'topic')}/`))), more: 0 }
    if (op === 'article_search') {
      const asked = text(fields, 'text').toLowerCase()
      const hits = articlesIn(own).filter((each) => `${each.zh}${each.zh_body}${each.en}${each.en_body}`.toLowerCase().includes(asked))
      return { articles: hits.map((each) => ({ ...each, zh_excerpt: each.zh_body.slice(0, 60), en_excerpt: each.en_body.slice(0, 120) })) }
    }
    if (op === 'article') return { article: articlesIn(own).find((each) => each.article === fields['article']) ?? refuse(404, 'article-unknown', '没有此知识', 'there is no such article', 'article') }
    if (op === 'article_vote') return { article: fields['article'], version: 1, useful: fields['useful'] }
    if (op === 'knowledge_missing') {
      if (text(fields, 'text') === '') refuse(400, 'bad-request', '请写出问题', 'say what is asked', 'text')
      return { request: '0020-7f3a9c21-009001', item: 'w-0020-7f3a9c21-009001', owning: own, state: 'accepted', problems: [] }
    }
    return refuse(404, 'unknown-operation', '没有此操作', 'there is no such operation', op)
  }

  private customers(city: string, asked: string, contact: string, everywhere: boolean): object {
    if ((asked === '') === (contact === '')) refuse(400, 'one-of-two', '请给出其中之一', 'give one of the two')
    const ids = contact !== '' || /^\d+$/.test(asked) ? ['17'] : asked.startsWith('王') ? ['17', '18'] : []
    const cities = everywhere ? [city, 'shenzhen'] : [city]
    return {
      customers: cities.flatMap((each) => ids.map((id) => foundOf(cardOf(each, id)))),
      more: false,
      parts: cities.map((each) => ({ city: each, as_of: Date.now() / 1000 })),
      missing: everywhere ? [{ city: 'foshan', problem: SILENT }] : [],
    }
  }

  private directory(own: string, asked: string, city: string, token: string): object {
    if (asked.trim() === '') refuse(400, 'directory-text', '请输入要查的', 'say what is looked for', 'text')
    const isNumber = /^\d+$/.test(asked)
    const hits = listedIn(city).filter((entry) => asked.split(/\s+/).every((each) => [entry.name, entry.number, entry.address, ...entry.aliases].some((of) => of.includes(each))))
    const from = Number(token || 0)
    return {
      entries: hits.slice(from, from + PAGE),
      token: hits.length > from + PAGE ? String(from + PAGE) : null,
      more: false,
      whose: isNumber ? (hits.length > 0 ? 'told' : 'unknown') : null,
      unread: 0,
      parts: [{ city, as_of: Date.now() / 1000 - (city === own ? 0 : 90), copy: city !== own }],
      missing: city !== own && city === 'foshan' ? [{ city, problem: SILENT }] : [],
    }
  }
}
