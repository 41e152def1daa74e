/** What a scraper gets: real scrapes of real daemons. */
import { execFileSync } from 'node:child_process';
import { request } from 'undici';
import { describe, expect, it, vi } from 'vitest';
import { makeFolder } from '../../support/make-folder.js';
import { type NodeOptions, TestNode } from '../node.js';

const soon = { interval: 20, timeout: 15_000 };
const LOOPBACK = { host: '127.0.0.1', port: 0 };

async function scrape(url: string): Promise<string> {
  const { statusCode, headers, body } = await request(`${url}/metrics`);
  expect([statusCode, headers['content-type']]).toEqual([200, expect.stringContaining('text/plain; version=0.0.4')]);
  return body.text();
}

/** The samples of a metric: labels → value. */
function samplesOf(text: string, name: string): Record<string, number> {
  const lines = text.split('\n').filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `));
  return Object.fromEntries(
    lines.map((line) => {
      const [, labels = '', value] = /^\w+(?:\{(.*)\})? (\S+)$/.exec(line) ?? [];
      return [labels, Number(value)];
    }),
  );
}

const sampleOf = (text: string, name: string) => Object.values(samplesOf(text, name))[0];

async function pair(options: NodeOptions = {}): Promise<{ paris: TestNode; lyon: TestNode }> {
  const paris = await TestNode.first(makeFolder(), 'paris', options).start();
  const lyon = await TestNode.joining(paris, 'lyon', { listens: false });
  await lyon.start({ peers: [paris.asPeer], admin: { listen: LOOPBACK } });
  return { paris, lyon };
}

const adminUrl = (node: TestNode) => `http://127.0.0.1:${node.daemon?.adminAddress?.port}`;

/** Names that dashboards and alerts go by. */
const PROMISED = [
  'sqlsync_build_info',
  'sqlsync_config_reload_success',
  'sqlsync_peer_up',
  'sqlsync_peer_outbound_changes',
  'sqlsync_peer_outbound_oldest_seconds',
  'sqlsync_peer_inbound_changes',
  'sqlsync_peer_inbound_oldest_seconds',
  'sqlsync_peer_last_contact_timestamp_seconds',
  'sqlsync_rows_sent_total',
  'sqlsync_rows_received_total',
  'sqlsync_rows_applied_total',
  'sqlsync_bytes_sent_total',
  'sqlsync_bytes_received_total',
  'sqlsync_apply_duration_seconds_count',
  'sqlsync_conflicts_open',
  'sqlsync_quarantined_changes',
  'sqlsync_held_rows',
  'sqlsync_capture_coverage',
  'sqlsync_log_entries',
  'sqlsync_retained_bytes',
];

describe('metrics', () => {
  it('have every promised name, on both addresses, and no row in them', async () => {
    const { paris, lyon } = await pair();
    lyon.insert(77_001, 'a name that is nobody’s business');
    await vi.waitFor(() => expect(paris.names()).toHaveLength(1), soon);
    const text = await vi.waitFor(async () => {
      const answer = await scrape(adminUrl(lyon));
      expect(samplesOf(answer, 'sqlsync_peer_inbound_changes')).toEqual({ 'database="shop",peer="paris"': 0 });
      return answer;
    }, soon);
    // What has come to paris came in one stream at least.
    const there = await scrape(paris.url);
    for (const name of PROMISED) expect([name, Object.keys(samplesOf(there, name)).length > 0]).toEqual([name, true]);
    expect(there + text).not.toMatch(/77001|nobody/);
    expect(samplesOf(there, 'sqlsync_rows_applied_total')).toEqual({ 'database="shop"': expect.any(Number) });
    expect(sampleOf(there, 'sqlsync_rows_applied_total')).toBeGreaterThan(0);
    expect(samplesOf(text, 'sqlsync_peer_up')).toEqual({ 'database="shop",peer="paris"': 1 });
    expect(samplesOf(text, 'sqlsync_capture_coverage')).toEqual({
      'database="shop",state="complete"': 1,
      'database="shop",state="partial"': 0,
      'database="shop",state="unknown"': 0,
    });
    expect(await (await request(`${adminUrl(lyon)}/readyz`)).body.text()).toContain('[+]database shop');
    expect((await request(`${adminUrl(lyon)}/v1/hello`, { method: 'POST' })).statusCode).toBe(404);
  });

  it('leave out what is not known', async () => {
    const { paris, lyon } = await pair();
    await vi.waitFor(async () => expect((await lyon.peer('paris'))?.state).toBe('online'), soon);
    await paris.stop();
    await vi.waitFor(async () => expect((await lyon.peer('paris'))?.state).toBe('offline'), soon);
    lyon.insert(1, 'waits');
    const text = await vi.waitFor(async () => {
      const answer = await scrape(adminUrl(lyon));
      expect(sampleOf(answer, 'sqlsync_peer_outbound_changes')).toBe(1);
      return answer;
    }, soon);
    expect(sampleOf(text, 'sqlsync_peer_up')).toBe(0);
    // Only the peer could tell.
    for (const what of ['changes', 'oldest_seconds'])
      expect(samplesOf(text, `sqlsync_peer_inbound_${what}`)).toEqual({});
    expect(samplesOf(text, 'sqlsync_verify_last_equal_timestamp_seconds')).toEqual({});
    expect(samplesOf(text, 'sqlsync_backup_last_success_timestamp_seconds')).toEqual({});
  });

  it('count conflicts by kind and strategy, and what is in quarantine', async () => {
    const { paris, lyon } = await pair();
    paris.insert(1, 'first');
    await vi.waitFor(() => expect(lyon.names()).toEqual(['first']), soon);
    await lyon.stop();
    paris.application.exec(`UPDATE item SET name = 'paris'`);
    lyon.application.exec(`UPDATE item SET name = 'lyon'`);
    lyon.application.exec(`CREATE TABLE made(id INTEGER PRIMARY KEY, name TEXT NOT NULL, data BLOB);
      INSERT INTO made SELECT * FROM item; DROP TABLE item; ALTER TABLE made RENAME TO item`);
    paris.application.exec('INSERT INTO item(id) VALUES(2)');
    await lyon.start({ peers: [paris.asPeer], admin: { listen: LOOPBACK } });
    await vi.waitFor(async () => {
      const text = await scrape(adminUrl(lyon));
      expect(samplesOf(text, 'sqlsync_conflicts_total')).toEqual({
        'database="shop",kind="update-update",strategy="merge"': 1,
      });
      expect(sampleOf(text, 'sqlsync_quarantined_changes')).toBe(1);
      expect(samplesOf(text, 'sqlsync_conflict_records')).toMatchObject({ 'database="shop",state="auto"': 1 });
      // The rebuilt table had no triggers for a while.
      expect(samplesOf(text, 'sqlsync_capture_coverage')).toMatchObject({ 'database="shop",state="unknown"': 1 });
    }, soon);
  });

  it('tell of a configuration that could not be taken', async () => {
    const { paris } = await pair();
    expect(sampleOf(await scrape(paris.url), 'sqlsync_config_reload_success')).toBe(1);
    paris.daemon?.keepConfiguration();
    expect(sampleOf(await scrape(paris.url), 'sqlsync_config_reload_success')).toBe(0);
    await paris.daemon?.reload(paris.settings());
    expect(sampleOf(await scrape(paris.url), 'sqlsync_config_reload_success')).toBe(1);
  });

  it('are read once for all who ask at one time', async () => {
    const { paris, lyon } = await pair();
    await lyon.stop();
    const rows = 20_000;
    paris.application.exec(`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${rows})
      INSERT INTO item(id, name) SELECT i, 'some text' FROM n`);
    const pending = async () => sampleOf(await scrape(paris.url), 'sqlsync_pending_changes');
    await vi.waitFor(async () => expect(await pending()).toBe(rows), soon);
    const texts = await Promise.all(Array.from({ length: 20 }, () => scrape(paris.url)));
    // Only the age of what waits goes on.
    const ours = (text: string) => text.split('\n').filter((line) => /^sqlsync_(?!.*_oldest_seconds)/.test(line));
    for (const text of texts) expect(ours(text)).toEqual(ours(texts[0] ?? ''));
    expect(sampleOf(texts[0] ?? '', 'sqlsync_unsettled_rows')).toBe(rows);
  });

  // promtool comes with Debian's package prometheus: what it finds amiss, Prometheus would too.
  it.skipIf(!hasPromtool())('pass promtool check metrics', async () => {
    const { paris, lyon } = await pair();
    paris.insert(1, 'something');
    await vi.waitFor(() => expect(lyon.names()).toHaveLength(1), soon);
    for (const url of [paris.url, adminUrl(lyon)]) {
      const complaints = execFileSync('promtool', ['check', 'metrics'], { input: await scrape(url), encoding: 'utf8' });
      expect(complaints).toBe('');
    }
  });
});

function hasPromtool(): boolean {
  try {
    execFileSync('promtool', ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}
