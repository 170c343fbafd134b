import { defineStore } from 'pinia'
import { computed, ref } from 'vue'
import { useWords } from '../i18n'
import { askDemo, askNodes } from '../protocol/http'
import { problemOf } from '../protocol/problem'
import type { CityPlace, Demo, DemoLogin, Named, Nodes, Problem } from '../protocol/shapes'
import { cityOf, staffNumber } from '../shared/format'

/** Where hub and cities are served, the demo's logins, and what cities, skills and people are called. */
export const usePlaces = defineStore('places', () => {
  const words = useWords()
  const nodes = ref<Nodes | null>(null)
  const demo = ref<Demo | null>(null)
  const problem = ref<Problem | null>(null)
  const skills = ref(new Map<string, Named>())
  const services = ref(new Map<string, Named>())
  const people = ref(new Map<string, string>())

  /** Asks once; again after a failure. */
  async function load(): Promise<void> {
    if (nodes.value !== null) return
    try {
      const found = await askNodes()
      const base = found.hub ?? found.cities[0]?.base ?? ''
      demo.value = await askDemo(base)
      nodes.value = found
      problem.value = null
    } catch (thrown) {
      problem.value = problemOf(thrown)
    }
  }

  function place(city: string): CityPlace | undefined {
    return nodes.value?.cities.find((candidate) => candidate.city === city)
  }

  function cityName(city: string | null | undefined): string {
    if (!city) return ''
    const found = place(city)
    if (found === undefined) return city
    return words.language.value === 'zh' ? found.name : found.name_en
  }

  /** A node's name: a city, or the hub. */
  function nodeName(node: string): string {
    return node === 'hub' || node.startsWith('hub') ? words.t('way.hub') : cityName(node)
  }

  function learnSkills(found: Iterable<Named & { skill: string }>): void {
    for (const { skill, zh, en } of found) {
      const known = skills.value.get(skill)
      if (known?.zh !== zh || known.en !== en) skills.value.set(skill, { zh, en })
    }
  }

  function skillName(skill: string): string {
    const known = skills.value.get(skill)
    return known === undefined ? skill : words.named(known)
  }

  function learnServices(found: Iterable<Named & { service: string }>): void {
    for (const { service, zh, en } of found) services.value.set(service, { zh, en })
  }

  /** What a contact was about: a branch of the menu is called as its skill, what was chosen by keys as the service. */
  function serviceName(service: string): string {
    const known = skills.value.get(service) ?? services.value.get(service)
    return known === undefined ? service : words.named(known)
  }

  function learnPeople(found: Iterable<{ agent: string; name: string }>): void {
    for (const { agent, name } of found) {
      if (people.value.get(agent) !== name) people.value.set(agent, name)
    }
  }

  /** `李敏 1001`, with the city unless it is `near`. */
  function agentName(agent: string | null | undefined, near?: string): string {
    if (!agent) return ''
    const name = people.value.get(agent)
    const short = name === undefined ? staffNumber(agent) : `${name} ${staffNumber(agent)}`
    const city = cityOf(agent)
    return near === undefined || city === near ? short : `${short} (${cityName(city)})`
  }

  const speed = computed(() => demo.value?.speed ?? 1)
  const demoLogins = computed<DemoLogin[]>(() => demo.value?.logins ?? [])

  return {
    nodes,
    demo,
    demoLogins,
    problem,
    speed,
    load,
    place,
    cityName,
    nodeName,
    learnSkills,
    skillName,
    learnServices,
    serviceName,
    learnPeople,
    agentName,
  }
})
