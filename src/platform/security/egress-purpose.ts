/**
 * What an outbound connection is for. Each purpose has its own rules under `routeiq.egress`, so that opening one place
 * for one of them (a model on this machine) opens it for no other (an image whose URL a caller chose).
 */
export const egressPurposes = [
  /** Calls to model vendors. */
  'providers',
  /** Alerts, callbacks and notifications to URLs of operators and teams. */
  'webhooks',
  /** MCP servers and A2A agents. */
  'mcp',
  /** Images and files that a caller names by URL. */
  'image_fetch',
  /** Vaults, secret managers, and the token services they trust. */
  'secrets',
  /** Identity providers: JWKS, OIDC discovery, token and introspection endpoints. */
  'identity',
  /** Where audit records and events are shipped: S3, log collectors. */
  'audit',
  /**
   * The services by which a machine learns who it is (AWS containers, Google and Azure metadata). Their addresses are
   * fixed, nothing else can be reached, and nothing can be configured.
   */
  'machine_identity',
] as const

export type EgressPurpose = (typeof egressPurposes)[number]

/**
 * Purposes whose addresses come from callers, teams or third parties. They never inherit what the operator allowed for
 * addresses written in the config.
 */
export const untrustedPurposes: ReadonlySet<EgressPurpose> = new Set(['webhooks', 'mcp', 'image_fetch'])
