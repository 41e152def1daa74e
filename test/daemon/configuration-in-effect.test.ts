import { expect, test } from 'vitest';
import { ConfigurationInEffect } from '../../src/daemon/configuration-in-effect.js';
import type { DaemonSettings } from '../../src/daemon/daemon-settings.js';
import { makeFolder } from '../support/make-folder.js';
import { TestNode } from './node.js';

const PAIR = { cert: 'a certificate', key: 'its key', requestCert: false };

const settings = (): DaemonSettings =>
  TestNode.first(makeFolder(), 'paris', {
    serverTls: PAIR,
    peers: [{ name: 'lyon', url: 'https://lyon:1' }],
  }).settings();

const waitingFor = (started: DaemonSettings, change: Partial<DaemonSettings>) => {
  const inEffect = new ConfigurationInEffect(started);
  inEffect.take({ ...started, ...change });
  return inEffect.waiting;
};

test('names by their keys what waits for a restart, and goes on by the old values', () => {
  const started = settings();
  const inEffect = new ConfigurationInEffect(started);
  inEffect.take({
    ...started,
    node: 'nice',
    listen: { host: '127.0.0.1', port: 9 },
    admin: { listen: { host: '127.0.0.1', port: 10 } },
    databases: [],
    limits: { ...started.limits, pollMs: 7, retryMsMin: 8 },
    log: { level: 'debug', format: 'text' },
  });
  expect(inEffect.waiting).toEqual([
    'node',
    'listen',
    'databases',
    'admin.listen',
    'limits.retryMsMin',
    'limits.pollMs',
    'log.level',
    'log.format',
  ]);
  expect(inEffect.settings).toEqual(started);
  inEffect.take(started);
  expect(inEffect.waiting).toEqual([]);
});

test('takes up the rest at once, and tells whether connections can stay', () => {
  const started = settings();
  const inEffect = new ConfigurationInEffect(started);
  const prune = { ...started.prune, schedule: '0 4 * * *', peerTimeoutMs: 5_000 };
  const optimise = { schedule: '0 5 * * *' };
  expect(inEffect.take({ ...started, prune, optimise, serverTls: { ...PAIR, cert: 'another' } })).toEqual({
    sameLinks: true,
  });
  expect(inEffect.settings).toMatchObject({ prune, optimise, serverTls: { cert: 'another' } });
  expect(inEffect.waiting).toEqual([]);
  expect(inEffect.take({ ...started, secrets: ['another secret of some length'] }).sameLinks).toBe(false);
  expect(inEffect.take({ ...started, secrets: ['another secret of some length'] }).sameLinks).toBe(true);
  expect(inEffect.take({ ...started, peers: [] }).sameLinks).toBe(false);
});

test('whether a node serves with TLS, and asks for certificates, is settled when it listens', () => {
  const started = settings();
  expect(waitingFor(started, { serverTls: null })).toEqual(['tls.cert', 'tls.key']);
  expect(waitingFor({ ...started, serverTls: null }, { serverTls: PAIR })).toEqual(['tls.cert', 'tls.key']);
  expect(waitingFor(started, { serverTls: { ...PAIR, requestCert: true } })).toEqual(['tls.clientAuth']);
  expect(waitingFor({ ...started, listen: null }, { serverTls: null })).toEqual([]);
});
