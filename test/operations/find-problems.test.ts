import { expect, test } from 'vitest';
import { findProblems, type ProblemFacts } from '../../src/operations/find-problems.js';
import type { JobKind } from '../../src/operations/job-record.js';
import type { DatabaseStatus, PeerStatus } from '../../src/operations/status-report.js';
import { FORMAT_VERSION } from '../../src/replication/metadata-schema.js';
import { shellWord } from '../../src/shell-word.js';

const NOW = new Date('2026-01-02T12:00:00Z');
const secondsAgo = (seconds: number) => new Date(NOW.getTime() - seconds * 1000).toISOString();

const PEER: PeerStatus = {
  name: 'lyon',
  state: 'online',
  direction: 'both',
  lastContactAt: secondsAgo(2),
  clockSkewSeconds: 0,
  outbound: { changes: 0, oldestSeconds: 0 },
  inbound: { changes: 0, oldestSeconds: 0 },
  rowsSent: 0,
  rowsReceived: 0,
  lastVerify: null,
  lastError: null,
};
const DATABASE: DatabaseStatus = {
  name: 'shop',
  path: '/srv/my shop.db',
  dataset: 'd',
  nodeId: 'n',
  session: null,
  formatVersion: FORMAT_VERSION,
  tables: 2,
  excludedTables: [],
  coverage: 'complete',
  tableCoverage: [],
  pendingChanges: 0,
  logEntries: 0,
  retainedBytes: 0,
  conflictsOpen: 0,
  conflicts: { auto: 0, open: 0, resolved: 0, byKind: {}, byStrategy: {}, merged: 0 },
  quarantined: 0,
  heldRows: 0,
  schemaBehind: [],
  catchingUp: false,
  lastBackup: null,
  jobs: [],
  peers: [],
};
const WELL: ProblemFacts = {
  running: true,
  node: 'paris',
  onlyDials: null,
  configFlag: '',
  namesDatabases: false,
  catchUps: new Map(),
  uptimeSeconds: 1000,
  waitingForRestart: [],
  databases: [{ ...DATABASE, peers: [PEER] }],
  failures: new Map(),
  held: new Map(),
  nullKeys: new Map(),
  memberships: new Map(),
  gaps: new Map(),
  ruleChanges: new Map(),
  verified: new Map(),
  diskFreeBytes: new Map([['shop', 2 ** 40]]),
  now: NOW,
  health: {
    lagSecondsMax: 300,
    conflictsOpenMax: 0,
    quarantinedMax: 0,
    verifyAgeMsMax: null,
    backupAgeMsMax: null,
    diskFreeBytesMin: 1024 ** 3,
  },
  prune: { retainedBytesMax: 1000 },
};

const found = (facts: Partial<ProblemFacts>) =>
  findProblems({ ...WELL, ...facts }).map(({ code, severity, command }) => [code, severity, command]);
const withDatabase = (change: Partial<DatabaseStatus>) => found({ databases: [{ ...DATABASE, ...change }] });
const withPeer = (change: Partial<PeerStatus>, facts: Partial<ProblemFacts> = {}) =>
  found({ ...facts, databases: [{ ...DATABASE, peers: [{ ...PEER, ...change }] }] });

test('a node that is well has no problems', () => {
  expect(findProblems(WELL)).toEqual([]);
});

test('without a daemon that is the problem, and peers are not blamed', () => {
  expect(withPeer({ state: 'offline', lastContactAt: null }, { running: false, uptimeSeconds: null })).toEqual([
    ['daemon-down', 'error', 'sqlsync start'],
  ]);
});

test('what keeps a database from being served comes with what mends it', () => {
  const failure = { code: 'database-not-initialised' as const, message: 'sqlsync is not installed', hint: 'a hint' };
  expect(found({ failures: new Map([['shop', [failure]]]) })).toEqual([
    ['database-not-initialised', 'error', `sqlsync init '/srv/my shop.db'`],
  ]);
  const locked = { code: 'database-locked' as const, message: 'it is locked', hint: 'look who' };
  const [problem] = findProblems({ ...WELL, failures: new Map([['shop', [locked]]]) });
  expect(problem).toMatchObject({ database: 'shop', message: 'it is locked (look who)', command: null });
});

test('coverage that is not complete is never called well', () => {
  const tables = Array.from({ length: 7 }, (_, i) => ({
    name: `t${i}`,
    coverage: 'partial' as const,
    reason: 'no key',
  }));
  const partial = { coverage: 'partial' as const, tableCoverage: tables };
  expect(withDatabase(partial)).toEqual([['coverage-partial', 'error', `sqlsync init '/srv/my shop.db'`]]);
  const [named] = findProblems({ ...WELL, databases: [{ ...DATABASE, ...partial }] });
  expect(named?.message).toMatch(/t0 \(no key\), .*t4 \(no key\), and 2 tables more$/);
  const databases = [{ ...DATABASE, coverage: 'unknown' as const }];
  const gaps = new Map([['shop', { since: NOW.getTime() - 1000, tables: ['sale'] }]]);
  const [problem] = findProblems({ ...WELL, databases, gaps });
  expect(problem).toMatchObject({
    code: 'coverage-unknown',
    since: secondsAgo(1),
    message: expect.stringContaining('to sale'),
  });
  const full = new Map([['shop', { since: NOW.getTime(), tables: ['sale'], isFull: true as const }]]);
  expect(findProblems({ ...WELL, databases, gaps: full })[0]?.message).toMatch(/limits\.gapRowsBytesMax/);
});

test('each threshold of health is a border: at it all is well, beyond it not', () => {
  expect(withDatabase({ conflictsOpen: 1 })).toEqual([
    ['conflicts-open', 'error', 'sqlsync conflicts --state open -d shop'],
  ]);
  expect(withDatabase({ quarantined: 1 })).toEqual([['changes-quarantined', 'error', 'sqlsync quarantine -d shop']]);
  expect(found({ diskFreeBytes: new Map([['shop', 1024 ** 3 - 1]]) })).toEqual([['disk-low', 'error', null]]);
  expect(found({ diskFreeBytes: new Map([['shop', 1024 ** 3]]) })).toEqual([]);
  expect(withDatabase({ retainedBytes: 1001 })).toEqual([['history-large', 'warning', 'sqlsync prune']]);
  expect(withDatabase({ catchingUp: true })).toEqual([['catching-up', 'warning', null]]);
  expect(withPeer({ outbound: { changes: 5, oldestSeconds: 300 } })).toEqual([]);
  expect(withPeer({ outbound: { changes: 5, oldestSeconds: 301 } })).toEqual([
    ['peer-lag', 'error', 'sqlsync sync lyon'],
  ]);
  const never = { ...WELL.health, conflictsOpenMax: null, quarantinedMax: null, lagSecondsMax: null };
  const bad = {
    ...DATABASE,
    conflictsOpen: 9,
    quarantined: 9,
    peers: [{ ...PEER, outbound: { changes: 1, oldestSeconds: 9e9 } }],
  };
  expect(found({ databases: [bad], health: never })).toEqual([]);
});

test('a peer out of reach is a warning until its silence is longer than the lag that is allowed', () => {
  const lastError = { code: 'peer-unreachable' as const, message: 'connection refused', hint: null };
  expect(withPeer({ state: 'offline', lastError })).toEqual([['peer-unreachable', 'warning', null]]);
  expect(withPeer({ state: 'offline', lastContactAt: secondsAgo(301) })).toEqual([['peer-unreachable', 'error', null]]);
  // Nobody has heard of it since the daemon started.
  expect(withPeer({ state: 'offline', lastContactAt: null })).toEqual([['peer-unreachable', 'error', null]]);
  expect(withPeer({ state: 'offline', lastContactAt: null }, { uptimeSeconds: 5 })).toEqual([
    ['peer-unreachable', 'warning', null],
  ]);
});

test('a link that is refused, stale or paused says so', () => {
  const lastError = { code: 'schema-differs' as const, message: 'tables differ', hint: 'migrate' };
  expect(withPeer({ state: 'error', lastError })).toEqual([['schema-differs', 'error', null]]);
  expect(withPeer({ state: 'stale' })).toEqual([['stale', 'error', 'sqlsync rejoin']]);
  expect(withPeer({ state: 'paused' })).toEqual([['peer-paused', 'warning', 'sqlsync peers resume lyon']]);
});

test('where several databases are configured a command that is about one names it', () => {
  const problem = (peer: Partial<PeerStatus>) =>
    findProblems({
      ...{ ...WELL, namesDatabases: true, configFlag: ' -c x.yml' },
      databases: [{ ...DATABASE, peers: [{ ...PEER, ...peer }] }],
    })[0];
  expect(problem({ state: 'stale' })?.command).toBe('sqlsync rejoin -d shop -c x.yml');
  expect(problem({ state: 'paused' })?.command).toBe('sqlsync peers resume lyon -c x.yml');
});

test('what the network says of a peer is said once', () => {
  const lastError = {
    code: 'peer-unreachable' as const,
    message: 'lyon at http://x cannot be reached: no',
    hint: null,
  };
  const [problem] = findProblems({
    ...WELL,
    databases: [{ ...DATABASE, peers: [{ ...PEER, state: 'offline', lastError }] }],
  });
  expect(problem?.message).toBe('lyon at http://x cannot be reached: no');
});

test('ages count only where a limit is set, and what has never been is too old', () => {
  const health = { ...WELL.health, backupAgeMsMax: 3_600_000, verifyAgeMsMax: 3_600_000 };
  expect(found({ health })).toEqual([
    ['backup-old', 'error', 'sqlsync backup'],
    ['verify-old', 'error', 'sqlsync verify lyon'],
  ]);
  const fresh = { ...DATABASE, lastBackup: secondsAgo(10), peers: [{ ...PEER, lastVerify: secondsAgo(3_601) }] };
  expect(found({ health, databases: [fresh] })).toEqual([['verify-old', 'error', 'sqlsync verify lyon']]);
});

test('a job that failed is a problem until it has been done, by schedule or by hand', () => {
  const times = { startedAt: secondsAgo(20), endedAt: secondsAgo(10) };
  const job = { schedule: '0 3 * * *', dueAt: null, succeededAt: null };
  const jobs = (kind: JobKind, result: 'done' | 'disk-full' | 'nodes-differ', schedule: string | null = job.schedule) =>
    withDatabase({ jobs: [{ ...job, kind, schedule, last: { ...times, result, message: 'why' } }] });
  expect(jobs('backup', 'disk-full')).toEqual([['job-failed', 'error', 'sqlsync backup']]);
  expect(jobs('drill', 'disk-full')).toEqual([['job-failed', 'error', 'sqlsync backup list']]);
  expect(jobs('optimise', 'disk-full')).toEqual([['job-failed', 'warning', null]]);
  for (const done of [jobs('backup', 'done'), jobs('backup', 'disk-full', null), jobs('verify', 'nodes-differ')]) {
    expect(done).toEqual([]);
  }
  expect(withDatabase({ jobs: [{ ...job, kind: 'backup', last: null }] })).toEqual([]);
});

test('rows that differed when nodes were last compared are a problem until they do not', () => {
  const last = { atMs: NOW.getTime() - 1000, equalAtMs: null, differences: 2 };
  const [problem, ...others] = findProblems({ ...WELL, verified: new Map([['shop', { lyon: last }]]) });
  expect(others).toEqual([]);
  expect(problem).toMatchObject({
    code: 'nodes-differ',
    severity: 'error',
    peer: 'lyon',
    message: '2 rows differed from those of lyon when they were last compared',
    command: 'sqlsync verify lyon',
    since: secondsAgo(1),
  });
  expect(found({ verified: new Map([['shop', { lyon: { ...last, differences: 0 } }]]) })).toEqual([]);
});

test('a catch-up says how many rows are in no table, and that nothing needs to be typed', () => {
  const databases = [{ ...DATABASE, catchingUp: true }];
  const messageOf = (waiting: boolean, parked: number) =>
    findProblems({ ...WELL, databases, catchUps: new Map([['shop', { waiting, parked }]]) })[0]?.message;
  expect(messageOf(false, 0)).toBe(
    'a large catch-up is being applied; until it is whole nothing is sent from here. Nothing needs to be typed',
  );
  expect(messageOf(true, 7)).toMatch(/broke off, and goes on .* 7 rows are in no table, .* Nothing needs to be typed/);
});

test('commands meet the configuration that is asked about', () => {
  const configFlag = ' -c /srv/two.yml';
  expect(found({ running: false, configFlag })).toEqual([['daemon-down', 'error', 'sqlsync start -c /srv/two.yml']]);
  const failure = { code: 'schema-differs' as const, message: 'm', hint: 'see `sqlsync status`' };
  const [problem] = findProblems({ ...WELL, configFlag, failures: new Map([['shop', [failure]]]) });
  expect(problem?.message).toBe('m (see `sqlsync status -c /srv/two.yml`)');
});

test('what is to be pasted into a shell stays one word', () => {
  expect(shellWord('/srv/shop.db')).toBe('/srv/shop.db');
  expect(shellWord(`it's $HOME`)).toBe(`'it'\\''s $HOME'`);
});

test('a change of the rules that waits tells for whom, and what to type', () => {
  const since = new Date(NOW.getTime() - 60_000);
  const change = { tables: ['product'], coordinator: 'lyon', since, isAbandoned: false };
  const found = (facts: object) => findProblems({ ...WELL, ruleChanges: new Map([['shop', { ...change, ...facts }]]) });
  const problem = { code: 'rules-changing', severity: 'error', database: 'shop', since: since.toISOString() };
  expect(found({})).toEqual([
    expect.objectContaining({
      ...problem,
      command: 'sqlsync sync lyon',
      message: expect.stringContaining('which lyon'),
    }),
  ]);
  expect(found({ coordinator: 'rome' })).toEqual([expect.objectContaining({ ...problem, command: 'sqlsync rules' })]);
  expect(found({ isAbandoned: true })).toEqual([
    expect.objectContaining({ ...problem, command: 'sqlsync rules recover' }),
  ]);
  expect(found({ since: NOW })).toEqual([]);
});

test('who can neither be dialed nor dial is no problem: others pass on what it writes', () => {
  const offline = { ...WELL.databases[0], peers: [{ ...PEER, name: 'nice', state: 'offline', lastContactAt: null }] };
  const codes = (onlyDials: readonly string[] | null) =>
    findProblems({ ...WELL, databases: [offline as never], onlyDials }).map(({ code }) => code);
  expect(codes(null)).toContain('peer-unreachable');
  expect(codes(['nice'])).toContain('peer-unreachable');
  expect(codes(['lyon'])).toEqual([]);
});
