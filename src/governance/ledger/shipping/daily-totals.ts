import type { DailyTotalRow } from '../../../platform/store/tables.ts'
import { addSums, calledOf, sorted, sumsOf } from './daily-sums.ts'
import type { Profile } from './profiles.ts'

export const totalKeyColumns = [
  'date',
  'entity',
  'entity_id',
  'model',
  'model_group',
  'provider',
  'route',
] as const satisfies readonly (keyof DailyTotalRow)[]

/** The sums without keys of a batch, one row per key, in the order of the keys. Few rows: a day has few kinds of call. */
export function dailyTotals(profiles: Iterable<Profile>): DailyTotalRow[] {
  const rows = new Map<string, DailyTotalRow>()
  for (const profile of profiles) {
    const { caller, tags } = profile.sample
    addCalled(rows, profile, 'all')
    addCaller(rows, profile, 'user', caller.userId ?? '')
    addCaller(rows, profile, 'team', caller.teamId ?? '')
    if (caller.teamId !== undefined && caller.userId !== undefined) {
      addCaller(rows, profile, 'team_member', `${caller.teamId}/${caller.userId}`)
    }
    const others = [
      ['organization', caller.organizationId],
      ['project', caller.projectId],
      ['agent', caller.agentId],
      ['end_user', caller.endUser],
    ] as const
    for (const [entity, id] of others) {
      if (id === undefined) continue
      addCalled(rows, profile, `every_${entity}`)
      addCaller(rows, profile, entity, id)
    }
    for (const tag of new Set(tags)) {
      addCalled(rows, profile, 'every_tag')
      addCaller(rows, profile, 'tag', tag)
    }
  }
  return sorted(rows)
}

const nothingCalled = { model: '', model_group: '', provider: '', route: '' }

function addCalled(rows: Map<string, DailyTotalRow>, profile: Profile, entity: string): void {
  add(rows, profile, entity, '', calledOf(profile))
}

function addCaller(rows: Map<string, DailyTotalRow>, profile: Profile, entity: string, id: string): void {
  add(rows, profile, entity, id, nothingCalled)
}

function add(
  rows: Map<string, DailyTotalRow>,
  profile: Profile,
  entity: string,
  id: string,
  called: typeof nothingCalled,
): void {
  const { date } = profile
  const { model, model_group, provider, route } = called
  const key = `${date}\0${entity}\0${id}\0${model}\0${model_group}\0${provider}\0${route}`
  const row = rows.get(key)
  if (row === undefined) rows.set(key, { date, entity, entity_id: id, ...called, ...sumsOf(profile) })
  else addSums(row, profile)
}
