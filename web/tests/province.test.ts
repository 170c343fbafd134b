import { createPinia, setActivePinia } from 'pinia'
import { describe, expect, it } from 'vitest'
import { MockProvince } from '../dev/province'
import { flowCurve, ring, spread } from '../src/province/layout'
import { cityLevel, isThere, levelOf, wallOf } from '../src/province/levels'
import { age, clockTime, day, lasting, percent, timer, when } from '../src/shared/format'
import en from '../src/locales/en'
import zh from '../src/locales/zh'
import { usePlaces } from '../src/stores/places'

function province(seconds = 900) {
  const mock = new MockProvince(7, 300)
  for (let i = 0; i < seconds; i++) mock.step(1)
  return mock
}

describe('levels', () => {
  it('judge against the target', () => {
    expect([1, 0.8, 0.79, 0.6, 0.59, null].map(levelOf)).toEqual(['good', 'good', 'fair', 'fair', 'poor', 'none'])
  })

  it('show a lost city as lost, whatever its last figures were', () => {
    const [city] = province().picture(1).cities
    if (city === undefined) throw new Error('no city')
    expect(cityLevel({ ...city, seen: false, service_level: 1 })).toBe('lost')
  })

  it('show a city that is declared lost as lost, heard or not, and leave it out of what is now, not of the day', () => {
    const picture = province().picture(1)
    const [city, ...rest] = picture.cities
    if (city === undefined) throw new Error('no city')
    const declared = { ...city, seen: true, lost: { since: 1, by: 'bureau', reason: 'fire' } }
    expect([isThere(city), isThere(declared)]).toEqual([true, false])
    expect(cityLevel(declared)).toBe('lost')
    const [whole, wall, without] = [[city, ...rest], [declared, ...rest], rest].map((cities) => wallOf({ ...picture, cities }))
    const now = { waiting: without?.waiting, oldestWait: without?.oldestWait, idle: without?.idle, staffed: without?.staffed, talking: without?.talking, away: without?.away }
    expect(wall).toEqual({ ...whole, ...now })
    expect(without?.staffed).toBeLessThan(whole?.staffed ?? 0)
  })
})

describe('the wall', () => {
  it('counts agents once and leaves lost cities out', () => {
    const picture = province().picture(1)
    const wall = wallOf(picture)
    const agents = picture.cities.flatMap((city) => city.agents)
    expect(wall.idle).toBe(agents.filter((agent) => agent.state === 'ready').length)
    expect(wall.staffed).toBeLessThanOrEqual(agents.length)
    const [first, ...rest] = picture.cities
    if (first === undefined) throw new Error('no city')
    const without = wallOf({ ...picture, cities: [{ ...first, seen: false }, ...rest] })
    expect(without.staffed).toBeLessThan(wall.staffed)
  })

  it('has no shares before the first call', () => {
    const wall = wallOf(new MockProvince(1, 0).picture(1))
    expect([wall.serviceLevel, wall.abandoned, wall.sentShare]).toEqual([null, null, null])
  })
})

describe('layout', () => {
  const frame = { width: 640, height: 300, top: 50, right: 100, bottom: 50, left: 100 }

  it('spreads cities over the frame and keeps inside it', () => {
    const at = spread([{ x: 0.3, y: 0.52 }, { x: 0.72, y: 0.66 }, { x: 0.45, y: 0.4 }], frame)
    expect(at[0]).toEqual({ x: 100, y: expect.closeTo(142.3, 1) as number })
    expect(at[1]).toEqual({ x: 540, y: 250 })
    expect(at[2]?.y).toBe(50)
  })

  it('puts a single city in the middle', () => {
    expect(spread([{ x: 0.2, y: 0.9 }], frame)).toEqual([{ x: 320, y: 150 }])
    expect(spread([], frame)).toEqual([])
  })

  it('bends the two directions apart', () => {
    const there = flowCurve({ x: 0, y: 0 }, { x: 300, y: 0 }, 30)
    const back = flowCurve({ x: 300, y: 0 }, { x: 0, y: 0 }, 30)
    expect(there.middle.y).toBeGreaterThan(10)
    expect(back.middle.y).toBeLessThan(-10)
    expect(there.path).toMatch(/^M[\d. -]+ Q[\d. -]+$/)
  })

  it('draws the ring in proportion', () => {
    expect(ring(0.5, 10)).toBe('31.4 62.8')
    expect(ring(null, 10)).toBe('0.0 62.8')
    expect(ring(2, 10)).toBe('62.8 62.8')
  })
})

describe('figures', () => {
  it('are written for reading', () => {
    expect([timer(5), timer(65), timer(3665), timer(-3)]).toEqual(['0:05', '1:05', '1:01:05', '0:00'])
    expect([lasting(7.2), lasting(59.4), lasting(59.6), lasting(125), lasting(null)]).toEqual(['7 s', '59 s', '1:00', '2:05', '–'])
    expect([age(0.31), age(9.94), age(12), age(null)]).toEqual(['0.3 s', '9.9 s', '12 s', '–'])
    expect([percent(0.911), percent(null), percent(Number.NaN)]).toEqual(['91%', '–', '–'])
  })

  it('show the province’s own time whatever the machine’s zone is', () => {
    expect(clockTime(920000000)).toBe('11:33:20')
    expect(day(920000000)).toBe('1999-02-26')
    expect(when(920000000)).toBe('02-26 11:33')
    expect(clockTime(null)).toBe('–')
  })
})

describe('what a contact was about', () => {
  it('is the branch of the menu, or the service chosen by keys, in words', () => {
    setActivePinia(createPinia())
    const places = usePlaces()
    places.learnSkills([{ skill: 'bill', zh: '资费帐单', en: 'Tariffs and bills' }])
    places.learnServices([
      { service: 'bill', zh: '话费和缴费查询', en: 'Bills and payments' },
      { service: 'fibre_broadband', zh: '光纤宽带', en: 'Fibre broadband' },
    ])
    expect(['bill', 'fibre_broadband', 'not_known_yet'].map(places.serviceName)).toEqual(['资费帐单', '光纤宽带', 'not_known_yet'])
  })
})

describe('texts', () => {
  function leaves(texts: object, under = ''): Map<string, string> {
    const found = new Map<string, string>()
    for (const [key, value] of Object.entries(texts) as [string, string | object][]) {
      if (typeof value === 'string') found.set(under + key, value)
      else for (const [inner, text] of leaves(value, `${under}${key}.`)) found.set(inner, text)
    }
    return found
  }

  it('exist in both languages with the same figures in them', () => {
    const chinese = leaves(zh)
    const english = leaves(en)
    expect([...english.keys()]).toEqual([...chinese.keys()])
    for (const [key, text] of chinese) {
      const names = (from: string) => [...from.matchAll(/\{(\w+)\}/g)].map((match) => match[1]).sort()
      expect(names(english.get(key) ?? ''), key).toEqual(names(text))
      expect(english.get(key), key).not.toMatch(/[\u4e00-\u9fff]/)
    }
  })
})
