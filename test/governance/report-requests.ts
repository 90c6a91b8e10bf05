import { tokenOf } from './report-loader.ts'

/** A report as somebody asks for it. */
export interface ReportRequest {
  readonly method?: 'POST'
  readonly path: string
  readonly body?: Readonly<Record<string, string>>
  /** Asked with the key of a user who is nobody's administrator. */
  readonly asUser?: true
}

/** Every report, for the last days, with each filter it has and pages at both ends. */
export function reportRequests(from: string, to: string): readonly ReportRequest[] {
  const range = `start_date=${from}&end_date=${to}`
  const key = tokenOf(11)
  const paths = [...dailyActivity(range, key), ...totals(range, key), ...calls(range, key)]
  return [
    ...paths.map(path => ({ path })),
    { path: '/global/spend/end_users', method: 'POST', body: { startTime: from, endTime: to } },
    { path: '/global/spend/end_users', method: 'POST', body: { startTime: from, endTime: to, api_key: key } },
    ...[
      `/user/daily/activity/aggregated?${range}`,
      `/user/daily/activity?${range}&page_size=1000`,
      `/team/daily/activity/aggregated?${range}`,
      `/tag/daily/activity/aggregated?${range}`,
      `/customer/daily/activity/aggregated?${range}`,
      `/spend/logs?${range}`,
      `/spend/logs/v2?${range}`,
      `/spend/logs/v2?${range}&model=model-rare`,
      `/spend/logs/v2?${range}&tag=tag-rare`,
      `/global/activity?${range}`,
    ].map(path => ({ path, asUser: true as const })),
  ]
}

/** For a table: without its dates and hashes. */
export const shortName = ({ path, method, body, asUser }: ReportRequest): string =>
  `${asUser === true ? '(a user) ' : ''}${method ?? ''} ${path}${body?.['api_key'] === undefined ? '' : '?api_key=<key>'}`
    .trim()
    .replace(/start_date=[\d-]+&end_date=[\d-]+&?/, '')
    .replace(/[0-9a-f]{64}/g, '<key>')
    .replace(/team-0,[^&]*/, '<25 teams>')
    .replace(/\?$/, '')

const allTeams = Array.from({ length: 25 }, (_, team) => `team-${team}`).join(',')

const dailyActivity = (range: string, key: string): string[] =>
  [
    'user',
    'user?user_id=user-7',
    `user?api_key=${key}`,
    'user?model=model-4',
    'user?model=model-rare',
    'user?user_id=user-7&model=model-1',
    'team',
    'team?team_ids=team-3',
    'team?team_ids=team-1,team-2,team-3,team-4,team-5',
    'team?exclude_team_ids=team-3',
    'team?team_ids=team-3&model=model-4',
    'organization',
    'organization?organization_ids=organization-2',
    'customer',
    'customer?end_user_ids=customer-5',
    'customer?model=model-4',
    `customer?api_key=${tokenOf(10)}`,
    'tag',
    'tag?tags=tag-2',
    'tag?tags=tag-2,feature-7',
    'tag?tags=tag-rare',
    'tag?model=model-4',
    'agent',
  ]
    .flatMap(given => {
      const [kind, filter] = given.split('?')
      const query = filter === undefined ? range : `${range}&${filter}`
      return [
        `/${kind}/daily/activity/aggregated?${query}`,
        `/${kind}/daily/activity?${query}`,
        `/${kind}/daily/activity?${query}&page_size=1000&page=2`,
      ]
    })
    .concat([
      `/user/daily/activity/aggregated?${range}&api_key_limit=200`,
      `/customer/daily/activity?${range}&page_size=1000&page=60`,
    ])

const totals = (range: string, key: string): string[] => [
  '/global/spend',
  '/global/spend/logs',
  `/global/spend/logs?${range}`,
  `/global/spend/logs?${range}&api_key=${key}`,
  `/global/spend/keys?${range}`,
  `/global/spend/models?${range}`,
  `/global/spend/teams?${range}`,
  `/global/spend/provider?${range}`,
  `/global/spend/tags?${range}`,
  `/global/spend/tags?${range}&tags=tag-1,feature-2`,
  `/spend/tags?${range}`,
  '/spend/tags',
  '/global/spend/all_tag_names',
  '/global/all_end_users',
  `/global/spend/report?${range}`,
  `/global/spend/report?${range}&group_by=customer`,
  `/global/spend/report?${range}&group_by=api_key`,
  `/global/spend/report?${range}&api_key=${key}`,
  `/global/spend/report?${range}&internal_user_id=user-7`,
  `/global/spend/report?${range}&team_id=team-3`,
  `/global/spend/report?${range}&customer_id=customer-5`,
  `/global/activity?${range}`,
  `/global/activity/model?${range}`,
  `/global/activity/cache_hits?${range}`,
  `/global/activity/exceptions?${range}&model_group=group-4`,
  `/global/activity/exceptions/deployment?${range}&model_group=group-4`,
  `/gateway/daily/activity?${range}`,
  `/key/spend/report?${range}&api_key=${key}`,
  `/user/spend/report?${range}&internal_user_id=user-7`,
  `/user/spend/report?${range}`,
  `/team/spend/report?${range}`,
  `/team/spend/report?${range}&team_id=team-3`,
  `/organization/spend/report?${range}`,
  `/organization/spend/report?${range}&organization_id=organization-2`,
  `/team/spend/by_user?${range}&team_ids=team-3`,
  `/team/spend/by_user?${range}&team_ids=${allTeams}`,
  '/spend/keys',
  '/spend/users',
]

const calls = (range: string, key: string): string[] => [
  '/spend/logs',
  `/spend/logs?api_key=${key}`,
  '/spend/logs?user_id=user-7',
  '/spend/logs?request_id=call-1000000123',
  `/spend/logs?${range}`,
  `/spend/logs?${range}&user_id=user-7`,
  `/spend/logs?${range}&api_key=${key}`,
  `/spend/logs?${range}&summarize=false`,
  '/spend/logs/ui/call-1000000123',
  '/spend/logs/session/ui?session_id=session-100',
  '/spend/logs/v2?request_id=call-1000000123',
  ...[
    '',
    '&page=100&page_size=100',
    '&sort_by=spend',
    '&sort_by=request_duration_ms&sort_order=asc',
    '&sort_order=asc',
    `&api_key=${key}`,
    `&api_key=${key}&model=model-rare`,
    '&user_id=user-7',
    '&team_id=team-3',
    '&team_id=team-3&model=model-4',
    '&team_id=team-3&model=model-rare',
    '&team_id=team-3&sort_by=spend',
    '&end_user=customer-5',
    '&session_id=session-100',
    '&key_alias=alias-11',
    '&key_alias=no-such',
    '&model=model-4',
    '&model=model-rare',
    '&model=no-such',
    '&model_group=group-4',
    '&model_group=group-rare',
    '&model_id=deployment-4',
    '&model_id=deployment-rare',
    '&status_filter=success',
    '&status_filter=failure',
    '&error=upstream_error',
    '&error_code=502',
    '&error_code=500',
    '&tag=tag-2',
    '&tag=tag-rare',
    '&tag=no-such',
    '&tag=tag-2&user_id=user-7',
    '&min_spend=0.000999',
    '&min_spend=5',
    '&max_spend=0',
    '&model=model-rare&status_filter=failure',
  ].map(filter => `/spend/logs/v2?${range}${filter}`),
]
