/** Numbers on a customer's card are masked; these say which of them the seat knows whole. */

/** How the node masks a number (`dataset/masking.py`). */
export function maskedNumber(number: string): string {
  const digits = number.replace(/^\+/, '')
  if (!/^\d+$/.test(digits)) return number
  if (digits.length >= 8) return `${digits.slice(0, 3)}****${digits.slice(-4)}`
  if (digits.length >= 5) return `${digits.slice(0, 1)}****${digits.slice(-2)}`
  return `****${digits.slice(-1)}`
}

/** What is handed in for `shown`, a number on the card: one of `known`, the numbers by which this customer was found; null
 *  where none of them is meant. A number that calls stands for itself as it is shown. */
export function numberFor(shown: string, known: readonly string[]): string | null {
  return known.find((number) => number !== '' && maskedNumber(number) === shown) ?? null
}
