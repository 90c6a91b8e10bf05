// The arrows of ARCHITECTURE.md: cli → surfaces → pipeline → providers/learning/governance → translate → platform.
// Everything may import platform; platform imports nothing of ours.
const wings = ['cli', 'surfaces', 'pipeline', 'governance', 'learning', 'providers', 'translate', 'platform']
const allowed = {
  cli: ['surfaces', 'pipeline', 'governance', 'providers', 'learning', 'platform'],
  surfaces: ['pipeline', 'governance', 'providers', 'learning', 'translate', 'platform'],
  pipeline: ['governance', 'providers', 'learning', 'translate', 'platform'],
  providers: ['translate', 'platform'],
  governance: ['platform'],
  learning: ['translate', 'platform'],
  translate: ['platform'],
  platform: [],
}

module.exports = {
  forbidden: [
    { name: 'no-circular', severity: 'error', from: {}, to: { circular: true } },
    {
      name: 'no-dev-dependency-in-source',
      severity: 'error',
      from: { path: '^src', pathNot: '\\.(test|fixtures)\\.ts$' },
      to: { dependencyTypes: ['npm-dev', 'npm-no-pkg', 'npm-unknown'] },
    },
    {
      name: 'sockets-only-through-egress',
      comment: 'Only the egress module may open outbound connections.',
      severity: 'error',
      from: { path: '^src', pathNot: '^src/platform/security/(egress|undici-p)|\\.(test|fixtures)\\.ts$' },
      to: { path: '^((node:)?(net|tls|https|http2|dgram|dns|dns/promises)$|node_modules/undici/)' },
    },
    ...wings.map(wing => ({
      name: `arrows-${wing}`,
      severity: 'error',
      from: { path: `^src/${wing}/` },
      to: {
        path: '^src/',
        pathNot: [wing, ...allowed[wing]].map(w => `^src/${w}/`),
      },
    })),
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    parser: 'swc',
    tsPreCompilationDeps: true,
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'node', 'default', 'types'] },
  },
}
