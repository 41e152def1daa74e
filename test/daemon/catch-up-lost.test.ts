/** A catch-up whose stage is lost: it ends all the same, and nobody is told that all is well before. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { describe, expect, it, vi } from 'vitest';
import { makeFolder } from '../support/make-folder.js';
import { type NodeOptions, TestNode } from './node.js';

const soon = { interval: 5, timeout: 10_000 };
const everything = { databases: [], peers: [] };

/** Paris, which serves, and lyon, whose daemon does not run and which lacks a row of paris. */
async function twoNodes(options: NodeOptions = {}): Promise<{ paris: TestNode; lyon: TestNode }> {
  const paris = await TestNode.first(makeFolder(), 'paris', options).start();
  const lyon = await TestNode.joining(paris, 'lyon', { listens: false });
  paris.insert(1, 'from paris');
  await vi.waitFor(
    async () => expect(await paris.daemon?.status()).toMatchObject({ databases: [{ replica: { unfolded: 0 } }] }),
    soon,
  );
  return { paris, lyon };
}

/** The node's file as a daemon leaves it that is killed over a stage with this vector. */
function leaveHalfApplied(node: TestNode, vector: object): void {
  const catchUp = JSON.stringify({ stageId: 'abcd', sender: 'paris', vector });
  node.application.prepare(`UPDATE _sqlsync_state SET value = ? WHERE name = 'catch_up'`).run(catchUp);
}

const catchUpOf = (node: TestNode) =>
  node.application.prepare(`SELECT value FROM _sqlsync_state WHERE name = 'catch_up'`).pluck().get();

describe('a half applied stage', () => {
  it.each(['gone', 'cut short'])('that is %s is brought again, live', async (how) => {
    const { paris, lyon } = await twoNodes();
    leaveHalfApplied(lyon, (await paris.hello()).vector);
    mkdirSync(`${lyon.path}.sqlsync`, { recursive: true });
    if (how === 'cut short') writeFileSync(`${lyon.path}.sqlsync/stage-abcd`, 'the first bytes of it');
    lyon.insert(2, 'from lyon');
    await lyon.start({ peers: [{ ...paris.asPeer, schedule: null, live: true }] });
    const all = ['from paris', 'from lyon'];
    await vi.waitFor(() => expect([paris.names(), lyon.names()]).toEqual([all, all]), soon);
    expect(catchUpOf(lyon)).toBe('');
    expect((await lyon.daemon?.status())?.databases[0]?.problems).toEqual([]);
  });

  it('that is gone is brought again by an exchange over HTTP', async () => {
    const { paris, lyon } = await twoNodes();
    leaveHalfApplied(lyon, (await paris.hello()).vector);
    await lyon.start({ peers: [{ ...paris.asPeer, schedule: '0 0 1 1 *', live: false }] });
    expect(await (await lyon.control()).sync(everything)).toMatchObject([{ error: null, rowsReceived: 1 }]);
    expect(catchUpOf(lyon)).toBe('');
  });
});

describe('a sync beside a catch-up that does not end', () => {
  it.each([
    ['live', { schedule: null, live: true }],
    ['over HTTP', { schedule: '0 0 1 1 *', live: false }],
  ])('says so on either side, %s', async (_, link) => {
    const { paris, lyon } = await twoNodes();
    // Nobody has such a session any more.
    leaveHalfApplied(lyon, { 'nice.0123456789abcdef@0': 1 });
    await lyon.start({ peers: [{ ...paris.asPeer, ...link }] });
    const result = { error: { code: 'catching-up', message: expect.stringContaining('lyon waits') } };
    if (link.live) await vi.waitFor(async () => expect((await lyon.peer('paris'))?.state).toBe('online'), soon);
    expect(await (await lyon.control()).sync(everything)).toMatchObject([result]);
    expect(await lyon.peer('paris')).toMatchObject({ state: 'online', lastError: null });
    if (!link.live) return;
    expect(await (await paris.control()).sync(everything)).toMatchObject([result]);
    expect(await paris.peer('lyon')).toMatchObject({ state: 'online', lastError: null });
  });
});
