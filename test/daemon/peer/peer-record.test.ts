import { describe, expect, it } from 'vitest';
import { type PeerConnection, PeerRecord } from '../../../src/daemon/peer/peer-record.js';
import { SqlsyncError } from '../../../src/errors.js';

const down = new SqlsyncError('peer-unreachable', 'no route');
const stale = new SqlsyncError('stale', 'too far behind');

function connection(isDialed: boolean): PeerConnection & { duplicates: number } {
  return {
    isDialed,
    closed: new Promise(() => {}),
    duplicates: 0,
    askRules: () => Promise.reject(new Error('nobody asks')),
    ask: () => Promise.reject(new Error('nobody asks')),
    sync: () => Promise.resolve(),
    close: () => {},
    closeAsDuplicate() {
      this.duplicates += 1;
    },
  };
}

describe('PeerRecord', () => {
  it('tells a change of state once, however often an attempt fails', () => {
    const told: string[] = [];
    const record = new PeerRecord('lyon', ({ state }, error) => told.push(`${state} ${error?.code ?? ''}`));
    record.failed(down);
    record.failed(down);
    record.failed(stale);
    record.succeeded();
    record.succeeded();
    record.failed(down);
    expect(told).toEqual(['offline peer-unreachable', 'stale stale', 'online ', 'offline peer-unreachable']);
  });

  it('stays in error when a peer that takes nothing connects again, until it takes something', () => {
    const told: string[] = [];
    const record = new PeerRecord('lyon', ({ state }, error) => told.push(`${state} ${error?.code ?? ''}`));
    const full = new SqlsyncError('peer-failed', 'lyon answers: the disk is full (disk-full)');
    const ids = { here: 'a', there: 'b' };
    for (let n = 0; n < 3; n += 1) {
      const live = connection(false);
      record.adopt(live, ids);
      const done = record.begin();
      record.refused(full);
      expect(record).toMatchObject({ state: 'error', lastError: { code: 'peer-failed' } });
      done();
      record.release(live, full);
      expect(record.state).toBe('error');
    }
    record.adopt(connection(false), ids);
    expect(record.state).toBe('error');
    record.took();
    expect(record).toMatchObject({ state: 'online', lastError: null });
    expect(told).toEqual(['online ', 'error peer-failed', 'online ']);
  });

  it('is syncing while a stream is under way, and paused whatever else', () => {
    const record = new PeerRecord('lyon');
    const done = record.begin();
    expect(record.state).toBe('syncing');
    record.isPaused = true;
    expect(record.state).toBe('paused');
    record.isPaused = false;
    done();
    expect(record.state).toBe('offline');
  });

  it('is in error when the peer refuses', () => {
    const record = new PeerRecord('lyon');
    record.failed(new SqlsyncError('peer-wrong-secret', 'no'));
    expect(record.state).toBe('error');
    expect(record.lastError?.code).toBe('peer-wrong-secret');
  });

  it('keeps, of two connections, the one that the lower node dialed: the same one on both sides', () => {
    const outcome = (order: readonly boolean[], ids: { here: string; there: string }) => {
      const record = new PeerRecord('peer');
      for (const isDialed of order) record.adopt(connection(isDialed), ids);
      return record.connection?.isDialed;
    };
    for (const order of [
      [true, false],
      [false, true],
    ]) {
      expect(outcome(order, { here: 'a', there: 'b' })).toBe(true);
      expect(outcome(order, { here: 'b', there: 'a' })).toBe(false);
    }
  });

  it('keeps the newer connection when the other side has forgotten the older', () => {
    const record = new PeerRecord('peer');
    const [older, newer] = [connection(true), connection(false)];
    record.adopt(older, { here: 'a', there: 'b' }, 0);
    expect(record.adopt(newer, { here: 'a', there: 'b' }, 60_000)).toBe(true);
    expect([older.duplicates, newer.duplicates]).toEqual([1, 0]);
  });

  it('keeps, of two connections that one side dialed, the newer', () => {
    const record = new PeerRecord('peer');
    const [older, newer] = [connection(false), connection(false)];
    record.adopt(older, { here: 'a', there: 'b' });
    expect(record.adopt(newer, { here: 'a', there: 'b' })).toBe(true);
    expect(older.duplicates).toBe(1);
    record.release(older, down);
    expect(record.state).toBe('online');
    record.release(newer, down);
    expect(record.state).toBe('offline');
  });
});
