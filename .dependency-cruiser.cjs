/**
 * Who may import whom: commands → {operations, daemon} → replication, daemon → operations; no cycles.
 * Barrels are found by biome (noBarrelFile).
 */
const ENGINE_FORBIDS = [
  'fs',
  'fs/promises',
  'net',
  'tls',
  'http',
  'http2',
  'https',
  'child_process',
  'cluster',
  'timers',
  'timers/promises',
  'dgram',
  'dns',
  'os',
  'process',
  'worker_threads',
];
const ENGINE_FORBIDS_PACKAGES = [
  '@fastify',
  '@inquirer',
  '@oclif',
  'ansis',
  'chokidar',
  'cli-table3',
  'fastify',
  'node-cron',
  'pino',
  'prom-client',
  'undici',
  'ws',
  'yaml',
];

/** @type {import('dependency-cruiser').IConfiguration} */
module.exports = {
  forbidden: [
    {
      name: 'no-cycles',
      comment: 'Two modules that need each other are one module, or lack a third.',
      severity: 'error',
      from: {},
      to: { circular: true },
    },
    {
      name: 'replication-stands-alone',
      comment: 'The engine imports itself and the registry of errors, nothing else of ours.',
      severity: 'error',
      from: { path: '^src/replication/' },
      to: { path: '^src/', pathNot: ['^src/replication/', '^src/errors\\.ts$'] },
    },
    {
      name: 'replication-is-deterministic',
      comment: 'Files, sockets, timers, processes and the environment stay outside the engine.',
      severity: 'error',
      from: { path: '^src/replication/' },
      to: { path: `^(node:)?(${ENGINE_FORBIDS.join('|')})$`, dependencyTypes: ['core'] },
    },
    {
      name: 'replication-needs-few-packages',
      comment: 'What watches, serves, schedules, logs or prints is the work of the shell.',
      severity: 'error',
      from: { path: '^src/replication/' },
      to: { path: `node_modules/(${ENGINE_FORBIDS_PACKAGES.join('|')})/` },
    },
    {
      name: 'operations-below-daemon-and-commands',
      severity: 'error',
      from: { path: '^src/operations/' },
      to: { path: '^src/(daemon|commands|command-line|hooks|base-command)' },
    },
    {
      name: 'daemon-below-commands',
      severity: 'error',
      from: { path: '^src/daemon/' },
      to: { path: '^src/(commands|command-line|hooks|base-command)' },
    },
    {
      name: 'foundations-below-everything',
      comment: 'Files at the root of src know none of the rooms.',
      severity: 'error',
      from: { path: '^src/[^/]+\\.ts$' },
      to: { path: '^src/(commands|command-line|daemon|operations|replication|hooks)/' },
    },
    {
      name: 'commands-are-thin',
      comment: 'No SQL and no file system in a command: call an operation.',
      severity: 'error',
      from: { path: '^src/commands/' },
      to: { path: '^(node:)?fs(/promises)?$|node_modules/better-sqlite3/' },
    },
    {
      name: 'imports-resolve',
      severity: 'error',
      from: {},
      to: { couldNotResolve: true },
    },
    {
      name: 'no-dev-dependencies-in-src',
      severity: 'error',
      from: { path: '^src/' },
      to: { dependencyTypes: ['npm-dev'], dependencyTypesNot: ['type-only'] },
    },
  ],
  options: {
    tsConfig: { fileName: 'tsconfig.json' },
    tsPreCompilationDeps: true,
    doNotFollow: { path: 'node_modules' },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'node', 'default', 'types'] },
  },
};
