import { describe, expect, it } from 'vitest'
import { blocksOf, once } from '../src/seat/article'
import { maskedNumber, numberFor } from '../src/seat/customer'

describe('the text of an article', () => {
  it('is paragraphs and lists', () => {
    expect(blocksOf('先核对身份，\n查有无欠费。\n\n- 旧址\n- 新址\n\nAsk for\nthe day.')).toEqual([
      { kind: 'text', texts: ['先核对身份，查有无欠费。'] },
      { kind: 'list', texts: ['旧址', '新址'] },
      { kind: 'text', texts: ['Ask for the day.'] },
    ])
  })

  it('knows numbered lists, items of more lines, titles and no other mark', () => {
    expect(blocksOf('# Moving\n1. ask\n   first\n2. **say** `so`')).toEqual([
      { kind: 'title', texts: ['Moving'] },
      { kind: 'list', texts: ['ask first', 'say so'] },
    ])
    expect(blocksOf('\n\n')).toEqual([])
  })

  it('keeps as words what a browser would run', () => {
    expect(blocksOf('<img src=x onerror=alert(1)>')).toEqual([{ kind: 'text', texts: ['<img src=x onerror=alert(1)>'] }])
  })
})

describe('numbers on a card', () => {
  it('are masked as the node masks them', () => {
    expect(['13800000001', '02088880001', '12345', '114', 'anonymous'].map(maskedNumber)).toEqual(['138****0001', '020****0001', '1****45', '****4', 'anonymous'])
  })

  it('are handed in only where they are known', () => {
    expect(numberFor('020****0001', ['', '02088880001'])).toBe('02088880001')
    expect(numberFor('020****0001', ['020****0001'])).toBe('020****0001')
    expect(numberFor('020****0002', ['02088880001'])).toBeNull()
  })
})

describe('once', () => {
  it('keeps each where it comes first', () => {
    expect(once(['b1', 'a1', 'b2'], (each) => each.charAt(0))).toEqual(['b1', 'a1'])
  })
})
