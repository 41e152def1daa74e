import { Ansis } from 'ansis';
import { expect, test } from 'vitest';
import { ERROR_CODES, type ErrorCode } from '../../src/errors.js';
import { explainStatus } from '../../src/operations/explain-status.js';
import type { NodeStatus, Problem } from '../../src/operations/status-report.js';
import { renderExplanation } from '../../src/rendering/render-explanation.js';

function problem(code: ErrorCode, more: Partial<Problem> = {}): Problem {
  return {
    code,
    severity: 'error',
    database: 'shop',
    peer: null,
    message: `says ${code}`,
    command: null,
    since: null,
    ...more,
  };
}

const explain = (...problems: Problem[]) =>
  explainStatus({
    node: 'paris',
    healthy: problems.every(({ severity }) => severity !== 'error'),
    problems,
  } as unknown as NodeStatus);

/** Cause → what is seen because of it. */
const tree = (...problems: Problem[]) =>
  Object.fromEntries(
    explain(...problems).causes.map(({ code, peer, alsoSeen }) => [
      peer === null ? code : `${code} ${peer}`,
      alsoSeen.map((seen) => seen.code),
    ]),
  );

test('what comes of a peer out of reach is put to that peer, and to no other', () => {
  expect(
    tree(
      problem('peer-lag', { peer: 'lyon' }),
      problem('peer-lag', { peer: 'nice' }),
      problem('verify-old', { peer: 'lyon' }),
      problem('peer-unreachable', { peer: 'lyon', severity: 'warning' }),
      problem('history-large', { severity: 'warning' }),
    ),
  ).toEqual({ 'peer-unreachable lyon': ['peer-lag', 'verify-old', 'history-large'], 'peer-lag nice': [] });
});

test('a daemon that does not run is behind what nobody does', () => {
  expect(
    tree(problem('daemon-down', { database: null }), problem('verify-old', { peer: 'lyon' }), problem('backup-old')),
  ).toEqual({ 'daemon-down': ['verify-old', 'backup-old'] });
});

test('chains lead to their beginning, and a circle to where one is', () => {
  expect(tree(problem('disk-full'), problem('disk-low'), problem('backup-old'))).toEqual({
    'disk-low': ['disk-full', 'backup-old'],
  });
  const circle = tree(problem('disk-low'), problem('history-large'));
  expect(Object.values(circle).flat().length + Object.keys(circle).length).toBe(2);
});

test('another database’s trouble explains nothing here', () => {
  expect(tree(problem('disk-io', { database: 'other' }), problem('backup-old'))).toEqual({
    'disk-io': [],
    'backup-old': [],
  });
});

test('whatever a status finds has words, and causes of errors come first', () => {
  const all = (Object.keys(ERROR_CODES) as ErrorCode[]).map((code) => problem(code));
  for (const { meaning, remedy } of all.flatMap((one) => explain(one).causes)) {
    expect(meaning).toMatch(/\.$/);
    expect(remedy.length).toBeGreaterThan(5);
  }
  const warning = problem('peer-paused', { severity: 'warning', peer: 'lyon' });
  expect(explain(warning, problem('conflicts-open')).causes.map(({ code }) => code)).toEqual([
    'conflicts-open',
    'peer-paused',
  ]);
});

test('for people: what is seen, why, what to do, what to type', () => {
  const text = renderExplanation(
    explain(
      problem('peer-paused', { peer: 'lyon', severity: 'warning', command: 'sqlsync peers resume lyon' }),
      problem('peer-lag', { peer: 'lyon' }),
    ),
    new Ansis(0),
  );
  expect(text).toBe(`paris is UNHEALTHY: 2 things to look at, 1 cause

1. peer-paused [shop, lyon]: says peer-paused
   why:  An operator has paused the exchange with a peer.
   do:   \`sqlsync peers resume NAME\`.
   type: sqlsync peers resume lyon
   seen because of it: peer-lag [shop, lyon]: says peer-lag`);
  expect(renderExplanation(explain(), new Ansis(0))).toBe('paris is healthy: there is nothing to explain');
});
