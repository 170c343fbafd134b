import { describe, expect, it } from 'vitest'
import type { LineTest, Measured } from '../src/protocol/shapes'
import type { Field } from '../src/seat/form'
import { figuresOf, outcomeField, stepAt, STEP_MS, STEPS, wordsOf } from '../src/seat/lineTest'

const MEASURED: Measured = {
  line: '020****0001',
  at: 0,
  insulation_ab_mohm: 30,
  insulation_ae_mohm: 40,
  insulation_be_mohm: 0.02,
  loop_ohm: null,
  capacitance_nf: 120,
  foreign_v: 0,
  distance_km: 2.4,
  dsl_synced: null,
  dsl_down_kbps: null,
  dsl_margin_db: null,
}
const BREAK: LineTest = { outcome: 'break', zh: '断线', en: 'open', lies: 'cable', lies_zh: '外线电缆', lies_en: 'cable', measured: MEASURED }

function choice(id: string, ...codes: string[]): Field {
  return { id, zh: id, en: id, type: 'choice', choices: codes.map((code) => ({ code, zh: code, en: code })) } as Field
}

describe('a line test', () => {
  it('goes into the field that offers all its outcomes, whatever that is called', () => {
    const all = ['ok', 'break', 'short', 'earth', 'foreign_voltage', 'off_hook', 'no_dial_tone', 'no_sync', 'exchange']
    expect(outcomeField([choice('symptom', 'ok', 'dead'), choice('result', ...all)])?.id).toBe('result')
    expect(outcomeField([choice('symptom', 'ok', 'dead')])).toBeUndefined()
  })

  it('shows its steps one after the other, and stays at the last', () => {
    expect([0, STEP_MS, STEP_MS * 2 + 1, 60_000].map(stepAt)).toEqual([0, 1, 2, STEPS.length - 1])
  })

  it('is told in words with where the fault lies', () => {
    expect([wordsOf(BREAK, 'zh'), wordsOf(BREAK, 'en')]).toEqual(['断线（外线电缆）', 'open (cable)'])
    expect(wordsOf({ ...BREAK, outcome: 'ok', zh: '正常', lies: '', lies_zh: '' }, 'zh')).toBe('正常')
  })

  it('says nothing of what it could not measure', () => {
    expect(figuresOf(MEASURED).map(([name]) => name)).toEqual(['insulation', 'capacitance', 'distance'])
    expect(figuresOf({ ...MEASURED, loop_ohm: 0, foreign_v: 48 }).map(([name]) => name)).toEqual(['insulation', 'loop', 'capacitance', 'foreign', 'distance'])
  })
})
