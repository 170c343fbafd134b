import { describe, expect, it } from 'vitest'
import en from '../src/locales/en'
import zh from '../src/locales/zh'

const SOURCES = import.meta.glob<string>('../src/**/*.{vue,ts}', { query: '?raw', import: 'default', eager: true })

function wordAt(words: object, path: string): unknown {
  return path.split('.').reduce<unknown>((at, part) => (at !== null && typeof at === 'object' ? (at as Record<string, unknown>)[part] : undefined), words)
}

describe('the words of the screens', () => {
  it('are there in both languages for every place that names one', () => {
    const named = Object.values(SOURCES).flatMap((source) => [...source.matchAll(/\bt\(\s*'([\w.]+)'/g)].map((found) => found[1] ?? ''))
    expect(named.length).toBeGreaterThan(300)
    const absent = [...new Set(named)].filter((path) => typeof wordAt(zh, path) !== 'string' || typeof wordAt(en, path) !== 'string')
    expect(absent).toEqual([])
  })
})
