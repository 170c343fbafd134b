import { h } from 'vue'
import { ElMessage } from '../element'

export interface Saying {
  type: 'success' | 'info' | 'error'
  /** milliseconds until it goes by itself */
  duration: number
  showClose?: boolean
  placement?: 'top' | 'bottom-right'
  customClass?: string
  /** what is said under the same name while it still stands is shown once, and counted */
  grouping?: string
}

const grouped = new Map<string, () => ReturnType<typeof h>>()

/** Says something for a while. `text` is asked for again when the language changes, so that what stands on the screen is
 *  in the language chosen now and not in that in which it was first said. */
export function say(text: () => string, { grouping, ...how }: Saying): void {
  const fresh = () => h('span', text())
  const message = grouping === undefined ? fresh : (grouped.get(grouping) ?? fresh)
  if (grouping !== undefined) grouped.set(grouping, message) // messages are the same to the library when this is
  ElMessage({ ...how, message, grouping: grouping !== undefined })
}
