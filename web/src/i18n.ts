import { computed } from 'vue'
import type { ComputedRef } from 'vue'
import { createI18n } from 'vue-i18n'
import en from './locales/en'
import zh from './locales/zh'
import type { Named, Problem } from './protocol/shapes'
import { recall, remember } from './shared/kept'

export type Language = 'zh' | 'en'

const first: Language = recall('browser', 'language') === 'en' ? 'en' : 'zh'

export const i18n = createI18n({
  legacy: false,
  locale: first as Language,
  fallbackLocale: 'zh' as Language,
  messages: { zh, en },
})

function dress(language: Language): void {
  document.documentElement.lang = language === 'zh' ? 'zh-CN' : 'en'
}
dress(first)

/** Turns the screens to `language` and remembers it in this browser. */
export function speak(language: Language): void {
  i18n.global.locale.value = language
  remember('browser', 'language', language)
  dress(language)
}

export interface Words {
  t: (key: string, named?: Record<string, unknown>) => string
  te: (key: string) => boolean
  language: ComputedRef<Language>
  /** the name that something carries itself, in the chosen language */
  named: (thing: Named) => string
  problemText: (problem: Problem) => string
  /** `t` where there is such a text, else `otherwise`: for codes that a package may add to */
  word: (key: string, otherwise: string) => string
}

const { t, te, locale } = i18n.global
const language = computed(() => locale.value)

const words: Words = {
  t: (key, named = {}) => t(key, named),
  te: (key) => te(key),
  language,
  named: (thing) => thing[language.value] || thing.zh || thing.en,
  problemText: (problem) => problem[language.value] || problem.zh,
  word: (key, otherwise) => (te(key) ? t(key) : otherwise),
}

/** Texts in the chosen language; whatever reads them in a template or a computed value follows the switch. */
export function useWords(): Words {
  return words
}
