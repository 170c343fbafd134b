import { nextTick } from 'vue'
import { beforeEach, describe, expect, it } from 'vitest'
import { speak, useWords } from '../src/i18n'
import { say } from '../src/shared/say'

const { t } = useWords()

function shown(): string[] {
  return [...document.querySelectorAll('.el-message')].map((each) => each.textContent)
}

describe('what is said for a while', () => {
  beforeEach(() => speak('zh'))

  it('follows the language that is chosen, and the same is said once', async () => {
    for (const language of ['zh', 'zh', 'en'] as const) {
      speak(language)
      say(() => t('seat.keyTyping', { key: 'F4' }), { type: 'info', duration: 0, grouping: 'typing hold' })
      await nextTick()
    }
    expect(shown()).toHaveLength(1)
    expect(shown()[0]).toContain('You are typing, so F4 did nothing')
    speak('zh')
    await nextTick()
    expect(shown()[0]).toContain('正在输入，F4 没有起作用')
  })
})
