/** A node of this version and one that speaks only the wire version before, over real sockets. */
import { describe, expect, it, vi } from 'vitest';
import { WIRE_VERSION, WIRE_VERSION_MIN } from '../../../src/replication/wire-messages.js';
import { makeFolder } from '../../support/make-folder.js';
import { type NodeOptions, TestNode } from '../node.js';

const soon = { interval: 5, timeout: 15_000 };
const ONLY_OLD = { wire: { wireVersion: WIRE_VERSION_MIN, wireVersionMin: WIRE_VERSION_MIN } };
const ONLY_LATER = { wire: { wireVersion: WIRE_VERSION + 1, wireVersionMin: WIRE_VERSION + 1 } };
const all = { databases: [], peers: [] };

/** The first listens, the second dials it. */
async function pair(first: NodeOptions, second: NodeOptions, live: boolean) {
  const paris = await TestNode.first(makeFolder(), 'paris', first).start();
  const lyon = await TestNode.joining(paris, 'lyon', { ...second, listens: false });
  await lyon.start({ peers: [{ ...paris.asPeer, live }] });
  return { paris, lyon };
}

/** Deletes and inserts anew, so that there is something for wire version 2 to tell. */
function write({ application }: TestNode, id: number): void {
  application.exec(`DELETE FROM item WHERE id = ${id}; INSERT INTO item(id, name) VALUES(${id}, 'row ${id}')`);
}

describe.each([
  ['dials', ONLY_OLD, {}],
  ['is dialed by', {}, ONLY_OLD],
])('this version %s the one before', (_, first, second) => {
  it('live', async () => {
    const { paris, lyon } = await pair(first, second, true);
    for (const [round, names] of [
      [1, ['row 1', 'row 2']],
      [3, ['row 1', 'row 2', 'row 3', 'row 4']],
    ] as const) {
      write(paris, round);
      write(lyon, round + 1);
      for (const node of [paris, lyon]) await vi.waitFor(() => expect(node.names()).toEqual(names), soon);
    }
    expect(await paris.peer('lyon')).toMatchObject({ state: 'online', lastError: null });
  });

  it('by HTTP', async () => {
    const { paris, lyon } = await pair(first, second, false);
    write(paris, 1);
    write(lyon, 2);
    const [result] = await (await lyon.control()).sync(all);
    expect(result).toMatchObject({ rowsSent: 1, rowsReceived: 1, error: null });
    for (const node of [paris, lyon]) expect(node.names()).toEqual(['row 1', 'row 2']);
  });
});

it.each([true, false])('one that speaks later versions only is refused, with what to do (live: %s)', async (live) => {
  const paris = await TestNode.first(makeFolder(), 'paris').start();
  const lyon = await TestNode.joining(paris, 'lyon', { listens: false });
  await paris.stop();
  await paris.start(ONLY_LATER);
  await lyon.start({ peers: [{ ...paris.asPeer, live }] });
  write(paris, 1);
  const refused = { code: 'wire-version', hint: expect.stringMatching(/upgrade/) };
  if (live) {
    await vi.waitFor(async () => expect((await lyon.peer('paris'))?.lastError).toMatchObject(refused), soon);
  } else {
    const [result] = await (await lyon.control()).sync(all);
    expect(result?.error).toMatchObject(refused);
  }
  expect(lyon.names()).toEqual([]);
});

it('rows that the version before cannot tell without loss are refused by name, and cross once the peer is upgraded', async () => {
  const paris = await TestNode.first(makeFolder(), 'paris').start();
  paris.application.exec(`INSERT INTO _sqlsync_rule(tbl, strategy) VALUES('*', 'lww')`);
  await paris.stop();
  await paris.start();
  const lyon = await TestNode.joining(paris, 'lyon', { listens: false });
  paris.insert(1, 'unsent');
  const unfolded = async () => (await paris.daemon?.status())?.databases[0]?.replica?.unfolded;
  await vi.waitFor(async () => expect(await unfolded()).toBe(0), soon);
  for (const { application } of [paris, lyon]) application.exec('ALTER TABLE item ADD COLUMN colour');
  await lyon.start({ ...ONLY_OLD, peers: [{ ...paris.asPeer, live: false }] });
  const [refused] = await (await lyon.control()).sync(all);
  expect(refused?.error).toMatchObject({
    code: 'wire-version',
    message: expect.stringContaining('item has rows that leave columns unsaid'),
  });
  expect(lyon.names()).toEqual([]);
  await lyon.stop();
  await lyon.start({ peers: [{ ...paris.asPeer, live: false }] });
  const [taken] = await (await lyon.control()).sync(all);
  expect(taken).toMatchObject({ error: null, rowsReceived: 1 });
  expect(lyon.names()).toEqual(['unsent']);
});
