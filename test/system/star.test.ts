/** A star of three nodes under applications that know nothing of it: the files become equal, and clean again. */
import { describe, expect, it, vi } from 'vitest';
import { readSchemaRows, untilEqual, withReader } from '../support/compare-files.js';
import { APPLICATION_KINDS, ForeignApplication, missingApplications } from '../support/foreign-application.js';
import { CHECK_FULL_TEXT, MusicShopClerk, makeMusicShop } from '../support/music-shop.js';
import type { ProcessNode } from '../support/process-node.js';
import { seededRandom } from '../support/seeded-random.js';
import { joinHub, startHub } from './start-nodes.js';

const TRANSACTIONS = 60;
const EQUAL_MS_MAX = 20_000;

const missing = missingApplications();

async function star(journalMode: 'wal' | 'delete') {
  let schemaBefore: unknown[] = [];
  const hub = await startHub({}, (path) => {
    makeMusicShop(path, journalMode);
    schemaBefore = readSchemaRows(path);
  });
  const nodes = [hub];
  for (const name of ['east', 'west']) nodes.push(await (await joinHub(hub, name)).start());
  return { hub, nodes, schemaBefore };
}

/** Both applications on every node, all at once. */
async function writeEverywhere(nodes: readonly ProcessNode[], transactions: number): Promise<void> {
  const writers = nodes.flatMap(({ path }, node) =>
    APPLICATION_KINDS.map(async (kind, i) => {
      const number = 1 + 2 * node + i;
      const clerk = new MusicShopClerk(number, seededRandom(number));
      const application = new ForeignApplication(kind, path);
      for (let n = 0; n < transactions; n += 1) await application.commit(...clerk.next());
      await application.close();
    }),
  );
  await Promise.all(writers);
}

// Without the applications there is nothing to prove.
describe.skipIf(missing !== null)(`a star of three nodes${missing === null ? '' : ` (${missing})`}`, () => {
  it.each(['wal', 'delete'] as const)('becomes equal and clean in journal mode %s', async (journalMode) => {
    const { hub, nodes, schemaBefore } = await star(journalMode);
    await writeEverywhere(nodes, TRANSACTIONS);
    const contents = await untilEqual(nodes, EQUAL_MS_MAX);
    expect(contents.size).toBe(11);
    expect(contents.get('Invoice')?.length).toBeGreaterThan(50);

    for (const { path, complaints } of nodes) {
      expect(complaints).toEqual([]);
      const shell = new ForeignApplication('shell', path);
      await shell.commit(CHECK_FULL_TEXT);
      await shell.close();
      expect(withReader(path, (db) => db.pragma('integrity_check', { simple: true }))).toBe('ok');
      expect(withReader(path, (db) => db.pragma('journal_mode', { simple: true }))).toBe(journalMode);
    }

    await hub.succeed(['sync']);
    // A leaf hears from the hub, a moment later, what the other one has: until then it does not know.
    const pending = () => Promise.all(nodes.map(async (node) => (await node.status()).databases[0]?.pendingChanges));
    await vi.waitFor(async () => expect(await pending()).toEqual([0, 0, 0]), { timeout: EQUAL_MS_MAX, interval: 50 });
    for (const node of nodes) {
      expect(await node.end('SIGTERM')).toEqual({ code: 0, signal: null });
      await node.succeed(['uninstall', node.path, '--yes']);
      expect(readSchemaRows(node.path)).toEqual(schemaBefore);
    }
    expect(await untilEqual(nodes, 0)).toEqual(contents);
  });
});
