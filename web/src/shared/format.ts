/** How figures are written. Times are shown in the province's own zone whatever the machine's is. */

const ZONE = 'Asia/Shanghai'
const DASH = '–'

const clockFormat = new Intl.DateTimeFormat('en-GB', {
  timeZone: ZONE,
  hour: '2-digit',
  minute: '2-digit',
  second: '2-digit',
  hourCycle: 'h23',
})
const dayFormat = new Intl.DateTimeFormat('sv-SE', { timeZone: ZONE, dateStyle: 'short' })

/** `HH:MM:SS` of a moment in UTC seconds. */
export function clockTime(at: number | null | undefined): string {
  return at === null || at === undefined ? DASH : clockFormat.format(at * 1000)
}

/** `YYYY-MM-DD`. */
export function day(at: number): string {
  return dayFormat.format(at * 1000)
}

/** Day and time of something that may be days ago. */
export function when(at: number): string {
  return `${day(at).slice(5)} ${clockTime(at).slice(0, 5)}`
}

/** When something was so: the time of today, else with the day. `now` and `at` in seconds since 1970. */
export function asOf(at: number, now: number): string {
  return day(at) === day(now) ? clockTime(at) : when(at)
}

/** `m:ss`, or `h:mm:ss` from an hour on. */
export function timer(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds))
  const s = String(whole % 60).padStart(2, '0')
  const m = Math.floor(whole / 60) % 60
  const h = Math.floor(whole / 3600)
  return h > 0 ? `${h}:${String(m).padStart(2, '0')}:${s}` : `${m}:${s}`
}

/** A length of time short enough for a table: `7 s`, `1:05`, `–` for none. */
export function lasting(seconds: number | null | undefined): string {
  if (seconds === null || seconds === undefined) return DASH
  return seconds < 59.5 ? `${Math.round(seconds)} s` : timer(Math.round(seconds))
}

/** `0.4 s` below ten seconds, then as `lasting`. */
export function age(seconds: number | null | undefined): string {
  if (seconds === null || seconds === undefined) return DASH
  return seconds < 9.95 ? `${Math.max(0, seconds).toFixed(1)} s` : lasting(seconds)
}

/** A share as whole percent; `–` where nothing was counted. */
export function percent(share: number | null | undefined): string {
  return share === null || share === undefined || Number.isNaN(share) ? DASH : `${Math.round(share * 100)}%`
}

/** `1001` of `1001@guangzhou`. */
export function staffNumber(agent: string): string {
  return agent.split('@')[0] ?? agent
}

/** `guangzhou` of `1001@guangzhou`. */
export function cityOf(agent: string): string {
  return agent.split('@')[1] ?? ''
}
