import { describe, expect, it } from 'vitest'
import { readJwtSettings } from './settings.ts'

const env = { JWT_PUBLIC_KEY_URL: 'https://idp/jwks' }
const read = (litellm_jwtauth: unknown, more: Record<string, string> = {}) =>
  readJwtSettings({ litellm_jwtauth }, { ...env, ...more })

describe('litellm_jwtauth', () => {
  it('has LiteLLM’s defaults', () => {
    expect(read(undefined).settings.fields).toMatchObject({
      admin_jwt_scope: 'litellm_proxy_admin',
      admin_allowed_routes: [
        'management_routes',
        'spend_tracking_routes',
        'global_spend_tracking_routes',
        'info_routes',
      ],
      team_allowed_routes: ['openai_routes', 'info_routes', 'mcp_routes'],
      public_key_ttl: 600,
      oidc_userinfo_cache_ttl: 300,
      virtual_key_mapping_cache_ttl: 300,
      user_id_upsert: false,
      unregistered_jwt_client_behavior: 'fallback_team_mapping',
    })
  })

  it('knows old names, single texts for lists, and lists with commas in the environment', () => {
    const { settings } = read(
      { jwt_client_id_field: 'azp', team_allowed_routes: 'info_routes' },
      { JWT_PUBLIC_KEY_URL: 'https://a/j , https://b/j', JWT_AUDIENCE: 'x,y', JWT_ISSUER: 'https://a' },
    )
    expect(settings.fields.virtual_key_claim_field).toBe('azp')
    expect(settings.fields.team_allowed_routes).toEqual(['info_routes'])
    expect([settings.keyUrls, settings.audience, settings.issuer]).toEqual([
      ['https://a/j', 'https://b/j'],
      ['x', 'y'],
      ['https://a'],
    ])
    expect(
      read({ jwt_litellm_role_map: [{ jwt_role: 'a*', litellm_role: 'internal_user_view_only' }] }).settings.fields
        .jwt_litellm_role_map,
    ).toEqual([{ jwt_role: 'a*', litellm_role: 'internal_user_viewer' }])
  })

  it.each([
    [{ user_id_jwt_fild: 'sub' }, 'user_id_jwt_fild'],
    [{ user_id_upsert: 'yes' }, 'user_id_upsert'],
    [{ user_roles_jwt_field: 'roles' }, 'go together'],
    [{ object_id_jwt_field: 'oid' }, 'role_mappings'],
    [{ scope_mappings: [{ scope: 's', models: ['m'] }] }, 'enforce_scope_based_access'],
    [{ oidc_userinfo_enabled: true }, 'oidc_userinfo_endpoint'],
    [{ role_mappings: [{ role: 'x', internal_role: 'god' }] }, 'role_mappings.0.internal_role'],
    [{ issuers: [{ issuer: 'https://a' }] }, 'give an audience'],
    [{ issuers: [{ issuer: 'https://a', audience: 'x', disable_audience_validation: true }] }, 'one of the two'],
    [
      {
        issuers: [
          { issuer: 'a', audience: 'x' },
          { issuer: 'a', audience: 'y' },
        ],
      },
      'listed twice',
    ],
  ])('%j is refused with the reason', (fields, reason) => {
    expect(() => read(fields)).toThrow(reason)
  })

  it('needs keys from somewhere, and warns of tokens that are for anybody', () => {
    expect(() => readJwtSettings({}, {})).toThrow('JWT_PUBLIC_KEY_URL')
    expect(read({}).warnings.join()).toContain('JWT_AUDIENCE and JWT_ISSUER are not set')
    expect(read({}, { JWT_AUDIENCE: 'x' }).warnings).toEqual([])
    expect(read({ require_expiry: false }, { JWT_AUDIENCE: 'x' }).warnings.join()).toContain('never end')
  })
})
