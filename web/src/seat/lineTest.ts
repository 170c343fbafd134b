import type { LineTest, Measured } from '../protocol/shapes'
import type { Field } from './form'

/** Outcomes of a line test (`site_node/core/line_test.py`), as a form that has room for one offers them. */
const OUTCOMES = ['ok', 'break', 'short', 'earth', 'foreign_voltage', 'off_hook', 'no_dial_tone', 'no_sync']
/** milliseconds that each step of a test is shown before the next; it comes to an end when the answer is there */
export const STEP_MS = 900
export const STEPS = ['connect', 'insulation', 'loop', 'judge'] as const

/** The field that takes the outcome of a test; undefined where a form has none. */
export function outcomeField(fields: readonly Field[]): Field | undefined {
  return fields.find((field) => field.type === 'choice' && OUTCOMES.every((code) => field.choices.some((choice) => choice.code === code)))
}

/** Which step is shown after `ms` milliseconds. */
export function stepAt(ms: number): number {
  return Math.min(STEPS.length - 1, Math.max(0, Math.floor(ms / STEP_MS)))
}

export type Figure = readonly [name: string, value: string]

/** What was measured, each under its name (`lineTest.figure.…`), without what the test could not give. */
export function figuresOf(measured: Measured): Figure[] {
  const found: (Figure | null)[] = [
    ['insulation', `${measured.insulation_ab_mohm} / ${measured.insulation_ae_mohm} / ${measured.insulation_be_mohm} MΩ`],
    measured.loop_ohm === null ? null : ['loop', `${measured.loop_ohm} Ω`],
    ['capacitance', `${measured.capacitance_nf} nF`],
    measured.foreign_v === 0 ? null : ['foreign', `${measured.foreign_v} V`],
    measured.distance_km === null ? null : ['distance', `${measured.distance_km} km`],
    measured.dsl_synced !== true ? null : ['dsl', `${measured.dsl_down_kbps ?? '–'} kbit/s, ${measured.dsl_margin_db ?? '–'} dB`],
  ]
  return found.filter((each) => each !== null)
}

/** The outcome and where it lies, in the chosen language. */
export function wordsOf(test: LineTest, language: 'zh' | 'en'): string {
  const where = language === 'zh' ? test.lies_zh : test.lies_en
  if (where === '') return test[language]
  return language === 'zh' ? `${test.zh}（${where}）` : `${test.en} (${where})`
}
