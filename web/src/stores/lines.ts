import { defineStore } from 'pinia'
import { reactive, ref, watch } from 'vue'
import { isPassing, problemOf } from '../protocol/problem'
import type { ItemShort, LineTest, LineTestAnswer, MassFault, MassFaultArea, MassFaultsAnswer, ProgressAnswer, RepeatsAnswer } from '../protocol/shapes'
import { useSeat } from './seat'
import { useWork } from './work'

/** how long the test of another city's line takes at most, and the way there and back */
const TEST_WITHIN_MS = 24_000
const ABSENT: readonly string[] = ['unknown-operation', 'not-your-role']

/** Lines that do not work: their test, the mass fault over them, and what their customer had before of the same. */
export const useLines = defineStore('lines', () => {
  const seat = useSeat()
  const work = useWork()
  /** the last test of a line, or of an item's line, by its name */
  const tested = reactive(new Map<string, LineTest>())
  /** operations that this city does not have, or not for this role */
  const absent = ref(new Set<string>())

  /** A line as it is asked for: one that calls is known to the seat by its masked number. */
  function named(line: string): { line: string; contact?: string } {
    return line.includes('*') && seat.call !== null ? { line, contact: seat.call.contact } : { line }
  }

  async function asked<T>(op: string, fields: object, withinMs?: number): Promise<T> {
    try {
      return (await seat.ask(op, fields, withinMs)) as T
    } catch (thrown) {
      const problem = problemOf(thrown)
      if (!isPassing(problem) && ABSENT.includes(problem.slug)) absent.value.add(op)
      throw thrown
    }
  }

  /** Tests a line. Throws `Refused`. */
  async function testLine(line: string): Promise<LineTest> {
    const { test } = await asked<LineTestAnswer>('line_test', named(line), TEST_WITHIN_MS)
    tested.set(line, test)
    return test
  }

  /** Tests the line of an item, on which it is noted. Throws `Refused`. */
  async function testItem(item: ItemShort): Promise<LineTest> {
    const { test, receipt } = await asked<LineTestAnswer>('line_test', { item: item.item, owning: item.owning }, TEST_WITHIN_MS)
    tested.set(item.item, test)
    const action = { zh: '线路测试', en: 'Line test' }
    if (receipt !== undefined) work.taken(receipt, { at: seat.wallAt(), service: { zh: item.zh, en: item.en }, action, form: null })
    return test
  }

  /** The mass faults over a line, whose city is asked; none where this city does not look for them. Throws `Refused`. */
  async function massFaultsOver(line: string): Promise<MassFaultsAnswer | null> {
    return absent.value.has('mass_faults') ? null : asked<MassFaultsAnswer>('mass_faults', named(line))
  }

  /** Those of this city; `ended`: also those that stand no more. Throws `Refused`. */
  async function massFaults(ended: boolean): Promise<MassFaultsAnswer> {
    return asked<MassFaultsAnswer>('mass_faults', { ended })
  }

  /** What somebody decides of one. Throws `Refused`. */
  async function decide(
    what: 'confirm' | 'reject' | 'clear' | 'declare',
    fields: { mass_fault?: string; area?: MassFaultArea; name?: string; repair_s?: number; note: string },
  ): Promise<MassFault> {
    return (await asked<{ mass_fault: MassFault }>(`mass_fault_${what}`, fields)).mass_fault
  }

  /** Services that the customer of a line had twice or more, in all cities. Throws `Refused`. */
  async function repeatsOf(line: string): Promise<RepeatsAnswer | null> {
    return absent.value.has('repeats') ? null : asked<RepeatsAnswer>('repeats', named(line))
  }

  /** Everything of a line's customer that was taken in, in all cities. Throws `Refused`. */
  async function progressOf(line: string): Promise<ProgressAnswer> {
    return asked<ProgressAnswer>('progress', named(line))
  }

  watch(
    () => seat.state?.agent,
    () => {
      tested.clear() // another agent, or none
      absent.value.clear()
    },
  )

  return { tested, absent, testLine, testItem, massFaultsOver, massFaults, decide, repeatsOf, progressOf }
})
