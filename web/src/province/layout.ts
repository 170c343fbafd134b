/** Where cities and flows are drawn: plain geometry, no drawing. */

export interface Point {
  x: number
  y: number
}

export interface Frame {
  width: number
  height: number
  /** room kept free around the outermost cities */
  top: number
  right: number
  bottom: number
  left: number
}

/** Stretches the cities' own coordinates (0…1 of the province) over the frame, keeping their shape when it can. */
export function spread(places: readonly Point[], frame: Frame): Point[] {
  if (places.length === 0) return []
  const xs = places.map((place) => place.x)
  const ys = places.map((place) => place.y)
  const [west, east, north, south] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)]
  const room = { x: frame.width - frame.left - frame.right, y: frame.height - frame.top - frame.bottom }
  const along = (value: number, from: number, to: number, length: number) =>
    to - from < 1e-9 ? length / 2 : ((value - from) / (to - from)) * length
  return places.map((place) => ({
    x: frame.left + along(place.x, west, east, room.x),
    y: frame.top + along(place.y, north, south, room.y),
  }))
}

export interface Curve {
  path: string
  /** middle of the curve, where its label goes */
  middle: Point
}

/** A curve from the rim of one city to the rim of another, bent to its own right so that both directions show. */
export function flowCurve(from: Point, to: Point, radius: number, bend = 0.2): Curve {
  const dx = to.x - from.x
  const dy = to.y - from.y
  const length = Math.hypot(dx, dy) || 1
  const control = { x: (from.x + to.x) / 2 - dy * bend, y: (from.y + to.y) / 2 + dx * bend }
  const rim = (at: Point, gap: number): Point => {
    const away = Math.hypot(control.x - at.x, control.y - at.y) || 1
    return { x: at.x + ((control.x - at.x) / away) * gap, y: at.y + ((control.y - at.y) / away) * gap }
  }
  const start = length > 2 * radius ? rim(from, radius + 4) : from
  const end = length > 2 * radius ? rim(to, radius + 12) : to
  const round = (value: number) => Math.round(value * 10) / 10
  return {
    path: `M${round(start.x)} ${round(start.y)} Q${round(control.x)} ${round(control.y)} ${round(end.x)} ${round(end.y)}`,
    middle: {
      x: round((start.x + 2 * control.x + end.x) / 4),
      y: round((start.y + 2 * control.y + end.y) / 4),
    },
  }
}

/** The part of a ring that stands for `share`, for `stroke-dasharray`. */
export function ring(share: number | null, radius: number): string {
  const around = 2 * Math.PI * radius
  const part = share === null ? 0 : Math.max(0, Math.min(1, share)) * around
  return `${part.toFixed(1)} ${around.toFixed(1)}`
}
