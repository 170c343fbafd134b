/** A few services for work on the screens, with every type of field; the real ones are in `conf/packages/services`. */

import type { Disposition, Fee, FieldSchema, FieldType, ServiceAction, ServiceState, ServiceWhole, When } from '../src/protocol/shapes.ts'

interface Extra {
  required?: boolean
  choices?: string[]
  least?: number
  most?: number
  when?: When
  width?: number
  section?: string
  hint?: string
  personal?: boolean
}

type MockField = readonly [id: string, zh: string, en: string, type: FieldType, extra?: Extra]

const PHONE = '^\\+?[0-9]{3,15}$'
const FORMS: Record<FieldType, Partial<FieldSchema> & Pick<FieldSchema, 'type'>> = {
  text: { type: 'string', maxLength: 80, pattern: '\\S' },
  long_text: { type: 'string', maxLength: 2000, pattern: '\\S' },
  address: { type: 'string', maxLength: 200, pattern: '\\S' },
  number: { type: 'integer' },
  money: { type: 'integer' },
  date: { type: 'string', format: 'date', pattern: '^\\d{4}-\\d{2}-\\d{2}$' },
  yes_no: { type: 'boolean' },
  choice: { type: 'string' },
  phone: { type: 'string', pattern: PHONE },
  line: { type: 'string', pattern: PHONE },
  email: { type: 'string', maxLength: 120, pattern: '^[^@\\s]{1,64}@[^@\\s.]+(\\.[^@\\s.]+)+$' },
}

/** `code/中文/English` */
function named(text: string): Disposition {
  const [code = '', zh = '', ...en] = text.split('/')
  return { code, zh, en: en.join('/') }
}

function schemaOf(fields: readonly MockField[]): ServiceWhole['schema'] {
  const properties = fields.map(([id, zh, en, type, extra = {}]): [string, FieldSchema] => {
    const choices = (extra.choices ?? []).map(named)
    const [section, sectionEn] = extra.section?.split('/') ?? []
    const [hintZh, hintEn] = extra.hint?.split('/') ?? []
    const schema: FieldSchema = {
      ...FORMS[type],
      'x-zh': zh,
      'x-en': en,
      'x-layout': {
        type,
        width: extra.width ?? 2,
        ...(section === undefined ? {} : { section, section_en: sectionEn ?? section }),
        ...(hintZh === undefined ? {} : { hint_zh: hintZh, hint_en: hintEn ?? hintZh }),
        ...(extra.personal === true ? { personal: true } : {}),
      },
      ...(extra.least === undefined ? {} : { minimum: extra.least }),
      ...(extra.most === undefined ? {} : { maximum: extra.most }),
      ...(choices.length === 0 ? {} : { enum: choices.map((choice) => choice.code), 'x-choices': choices }),
      ...(extra.when === undefined ? {} : { 'x-when': extra.when }),
    }
    return [id, schema]
  })
  const required = (conditional: boolean) =>
    fields.filter(([, , , , extra]) => extra?.required === true && (extra.when !== undefined) === conditional).map(([id]) => id)
  return {
    properties: Object.fromEntries(properties),
    required: required(false),
    allOf: required(true).map((id) => ({ then: { required: [id] } })),
  }
}

function state(text: string, hours: number | null, role: string, ends: string | null = null): ServiceState {
  const { code: id, zh, en } = named(text)
  return { id, zh, en, ends, within_s: hours === null ? null : hours * 3600, clock: 'working', role }
}

function action(text: string, from: string[], to: string, roles: string[], more: Partial<ServiceAction> = {}): ServiceAction {
  const { code: id, zh, en } = named(text)
  return { id, zh, en, from, to, roles, needs: [], note_required: false, after_call_back: false, asks_satisfaction: false, ...more }
}

function fee(text: string, yuan: number, more: Partial<Fee> = {}): Fee {
  return { ...named(text), fen: yuan * 100, monthly: false, deposit: false, per: null, when: null, ...more }
}

function service(text: string, group: string, skill: string, doors: string[], more: Partial<ServiceWhole> & { fields: readonly MockField[] }): ServiceWhole {
  const { code: id, zh, en } = named(text)
  const { fields, ...rest } = more
  return {
    id, zh, en, group, skill, doors,
    reference: `${id}@1`,
    chosen: skill,
    makes_work: (more.states ?? []).length > 0,
    today: null,
    schema: schemaOf(fields),
    states: [],
    actions: [],
    fees: [],
    knowledge: id === 'fibre_broadband' ? ['order/fibre'] : [],
    ...rest,
  }
}

const AGENT = ['agent', 'back_office']

export const SERVICES: ServiceWhole[] = [
  service('fibre_broadband/光纤宽带/Fibre broadband', 'order', 'order', ['10000', '189'], {
    fields: [
      ['address', '装机地址', 'Address', 'address', { required: true, section: '地点/Place', width: 4 }],
      ['speed', '速率', 'Speed', 'choice', { required: true, section: '套餐/Plan', choices: ['m300/300 兆/300 Mbit/s', 'm500/500 兆/500 Mbit/s', 'm1000/1000 兆/1000 Mbit/s'] }],
      ['term', '合约期', 'Term', 'choice', { required: true, section: '套餐/Plan', choices: ['none/无合约/None', 'one/一年/One year', 'two/两年/Two years'] }],
      ['fibre_at_home', '室内已有光纤', 'Fibre is in the home', 'yes_no', { required: true, section: '地点/Place' }],
      ['own_modem', '自备光猫', 'Own optical modem', 'yes_no', { section: '设备/Equipment' }],
      ['modem_model', '光猫型号', 'Model of the modem', 'text', { required: true, section: '设备/Equipment', when: { field: 'own_modem', is: ['yes'] }, hint: '写在机身背面的标签上/On the label at its back' }],
      ['iptv', '加装 IPTV', 'IPTV too', 'yes_no', { section: '套餐/Plan' }],
      ['visit', '上门日期', 'Date of the visit', 'date', { required: true, section: '约定/Appointment', width: 1, hint: '最早下一个工作日/The next working day at the earliest' }],
      ['visit_half', '上门时段', 'Half of the day', 'choice', { required: true, section: '约定/Appointment', width: 1, choices: ['morning/上午/Morning', 'afternoon/下午/Afternoon'] }],
      ['contact_phone', '联系电话', 'Phone for contact', 'phone', { required: true, personal: true, section: '约定/Appointment' }],
    ],
    states: [
      state('accepted/已受理，占用端口/Accepted, port taken', 2, 'back_office'),
      state('visiting/待上门/Visit to come', 37.5, 'crew'),
      state('speed_tested/已测速，待回访/Speed tested, to be called back', 7.5, 'agent'),
      state('done/已竣工/Completed', null, '', 'done'),
      state('cancelled/用户取消/Cancelled by the customer', null, '', 'cancelled'),
    ],
    actions: [
      action('dispatch/端口可用，派工/Port is there, send a crew', ['accepted'], 'visiting', AGENT, { needs: ['visit', 'visit_half'] }),
      action('online/装通并测速/On line, speed tested', ['visiting'], 'speed_tested', AGENT),
      action('rebook/用户改约/Another date', ['visiting'], 'accepted', AGENT, { needs: ['visit'], note_required: true }),
      action('close/回访后竣工/Complete after call-back', ['speed_tested'], 'done', AGENT, { after_call_back: true, asks_satisfaction: true }),
      action('cancel/用户取消/Cancel', ['accepted', 'visiting'], 'cancelled', AGENT, { note_required: true }),
    ],
    fees: [
      fee('commissioning/调测费/Commissioning', 100, { when: { field: 'term', is: ['none'] } }),
      fee('modem/光猫押金/Deposit on the modem', 100, { deposit: true, when: { field: 'own_modem', is: ['no'] } }),
      fee('monthly/宽带月费 300M/300 Mbit/s', 69, { monthly: true, when: { field: 'speed', is: ['m300'] } }),
      fee('monthly/宽带月费 500M/500 Mbit/s', 99, { monthly: true, when: { field: 'speed', is: ['m500'] } }),
      fee('monthly/宽带月费 1000M/1000 Mbit/s', 139, { monthly: true, when: { field: 'speed', is: ['m1000'] } }),
    ],
  }),
  service('fault/障碍申告/Fault report', 'fault', 'fault', ['10000', '112'], {
    fields: [
      ['line', '障碍号码', 'Faulty number', 'line', { required: true, section: '障碍/Fault' }],
      ['kind', '现象', 'What is wrong', 'choice', { required: true, section: '障碍/Fault', choices: ['dead/无拨号音/No dial tone', 'noise/杂音/Noise', 'one_way/单向听不到/One-way speech', 'no_calls_in/打不进/No calls come in', 'slow/上网慢/Slow Internet', 'off/上不了网/No Internet'] }],
      ['since', '始于', 'Since', 'date', { section: '障碍/Fault', width: 1 }],
      ['others', '邻居也有', 'Neighbours have it too', 'yes_no', { section: '障碍/Fault', width: 1 }],
      ['at_home', '在家时间', 'At home', 'choice', { section: '约定/Appointment', choices: ['morning/上午/Morning', 'afternoon/下午/Afternoon', 'any/都可以/Any time'] }],
      ['reach', '联系电话', 'Phone for contact', 'phone', { required: true, personal: true, section: '约定/Appointment', hint: '不要留有障碍的号码/Not the faulty number' }],
      ['words', '用户描述', 'In the customer’s words', 'long_text', { section: '障碍/Fault', width: 4 }],
    ],
    states: [
      state('reported/已申告/Reported', 1, 'agent'),
      state('repairing/抢修中/Being repaired', 24, 'crew'),
      state('repaired/已修复，待回访/Repaired, to be called back', 4, 'agent'),
      state('closed/已结案/Closed', null, '', 'done'),
    ],
    actions: [
      action('send/派修/Send a crew', ['reported'], 'repairing', AGENT, { note_required: true }),
      action('repaired/已修复/Repaired', ['repairing'], 'repaired', AGENT),
      action('close/回访结案/Close after call-back', ['repaired'], 'closed', AGENT, { after_call_back: true, asks_satisfaction: true }),
    ],
    fees: [fee('visit/用户责任上门费/Visit, customer at fault', 30)],
  }),
  service('complaint/投诉/Complaint', 'complaint', 'complaint', ['10000', '180'], {
    fields: [
      ['about', '投诉内容', 'About', 'choice', { required: true, choices: ['bill/话费/Bill', 'network/网络质量/Network', 'service/服务态度/Manner of service', 'delay/逾期/Delay'], width: 4 }],
      ['amount', '争议金额', 'Amount in dispute', 'money', { required: true, least: 1, when: { field: 'about', is: ['bill'] }, width: 1 }],
      ['months', '涉及月数', 'Months', 'number', { least: 1, most: 24, when: { field: 'about', is: ['bill'] }, width: 1 }],
      ['words', '诉求', 'What is asked for', 'long_text', { required: true, width: 4 }],
      ['mail', '书面答复寄往', 'Written answer to', 'email', { personal: true }],
    ],
    states: [state('received/已接收/Received', 24, 'agent'), state('settled/已办结/Settled', null, '', 'done')],
    actions: [action('settle/办结/Settle', ['received'], 'settled', AGENT, { note_required: true })],
  }),
  service('message_lamp/留言灯/Message lamp', 'order', 'order', ['189'], {
    fields: [
      ['line', '电话号码', 'Telephone number', 'line', { required: true }],
      ['lamps', '灯数', 'Lamps', 'number', { required: true, least: 1, most: 4, width: 1 }],
    ],
    states: [state('accepted/已受理/Accepted', 4, 'agent'), state('on/已开通/Switched on', null, '', 'done')],
    actions: [action('switch_on/开通/Switch on', ['accepted'], 'on', AGENT)],
    fees: [fee('monthly/月租/Monthly', 2, { monthly: true, per: 'lamps' })],
  }),
  service('isdn_2b_d/ISDN 一线通（2B+D）/ISDN basic rate (2B+D)', 'order', 'order', ['189'], {
    today: 'fibre_broadband',
    fields: [['line', '电话号码', 'Telephone number', 'line', { required: true }]],
    states: [state('accepted/已受理/Accepted', 45, 'back_office'), state('done/已竣工/Completed', null, '', 'done')],
  }),
  service('tariff/资费查询/Tariff enquiry', 'enquiry', 'bill', ['10000', '170'], {
    fields: [
      ['subject', '查询内容', 'Subject', 'choice', { required: true, choices: ['local/市话/Local calls', 'long/长途/Long distance', 'mobile/移动/Mobile', 'net/上网/Internet', 'other/其它/Other'] }],
      ['as_of', '日期', 'As of', 'date', { hint: '缺省为今天/Today if left empty' }],
    ],
  }),
  service('consult_regulations/电信行政法规咨询/Telecommunication regulations', 'consulting', 'general', ['10000'], {
    fields: [
      ['question', '问题', 'Question', 'long_text', { required: true, width: 4 }],
      ['call_back_phone', '回电号码', 'Phone for the answer', 'phone', { required: true, personal: true }],
    ],
    states: [state('waiting/待答复/To be answered', 15, 'agent'), state('told/已答复/Answered', null, '', 'done')],
    actions: [action('tell/答复/Answer', ['waiting'], 'told', AGENT, { note_required: true })],
  }),
]
