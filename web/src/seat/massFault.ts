import type { MassFault } from '../protocol/shapes'

/** Whether it stands: nobody has cleared it. */
export function stands(fault: MassFault): boolean {
  return fault.state === 'found' || fault.state === 'confirmed'
}

/** Those that stand first, the oldest of them first; then the others, the latest first. */
export function inOrder(faults: readonly MassFault[]): MassFault[] {
  return [...faults].sort((a, b) => Number(stands(b)) - Number(stands(a)) || (stands(a) ? a.declared_at - b.declared_at : (b.cleared_at ?? 0) - (a.cleared_at ?? 0)))
}
