/** Rules changed through daemons: every member takes part, over whatever connection it is reached by. */
import { randomBytes } from 'node:crypto';
import Sqlite from 'better-sqlite3';
import { describe, expect, it, vi } from 'vitest';
import { Replica } from '../../../src/replication/replica.js';
import type { RuleRequest } from '../../../src/replication/rule-request.js';
import { type RuleChange, undecided } from '../../../src/replication/rules.js';
import { makeFolder } from '../../support/make-folder.js';
import { LIMITS, type NodeOptions, TestNode } from '../node.js';

const soon = { interval: 5, timeout: 15_000 };
const NOTHING = { strategy: null, nodeOrder: null, keyCollision: null, orphan: null };
const TYPED = { database: 'shop', operator: 'ann', command: 'rules set' };
const setting = (change: Partial<RuleRequest>) => ({ ...TYPED, rule: { table: 'item', ...NOTHING, ...change } });
const hex = (bytes: number) => randomBytes(bytes).toString('hex');

/** Starts it again where it was, so that others find it. */
async function restart(node: TestNode, more: NodeOptions = {}): Promise<void> {
  const port = Number(new URL(node.url).port);
  await node.stop();
  await node.start({ port, ...more });
}

/** Paris dials lyon, and nice dials paris: nice only dials. */
async function three(peer: object = {}) {
  const paris = await TestNode.first(makeFolder(), 'paris').start();
  const lyon = await TestNode.joining(paris, 'lyon');
  const nice = await TestNode.joining(paris, 'nice', { listens: false });
  await lyon.start();
  const dialed = { peers: [{ ...lyon.asPeer, ...peer }] };
  await restart(paris, dialed);
  await nice.start({ peers: [paris.asPeer] });
  await vi.waitFor(async () => expect((await paris.peer('nice'))?.state).toBe('online'), soon);
  const all = [paris, lyon, nice] as const;
  return { paris, lyon, nice, all, dialed };
}

const rulesOf = async (node: TestNode) => (await node.daemon?.status())?.databases[0]?.replica?.rules;
const strategyOf = async (node: TestNode) =>
  (await rulesOf(node))?.tables.find(({ table }) => table === 'item')?.strategy;

/** A change that its coordinator is about, without the coordinator. */
function aChange(node: string): RuleChange {
  return { id: hex(16), node, at: Date.now(), rules: [{ ...undecided('item'), strategy: 'lww' }] };
}

/** Has a node freeze for it, as its coordinator would. */
async function prepare(member: TestNode, coordinator: TestNode, change: RuleChange): Promise<void> {
  const client = member.client();
  const hello = await coordinator.hello();
  const request = { verb: 'prepare', change, base: hello.rulesHash } as const;
  const asking = { ...hello, ruleChange: change.id };
  await client.askRules('shop', { kind: 'rules', hello: asking, request });
  await client.close();
}

describe('rules set', () => {
  it('changes the rules of all members, those too that only dial', async () => {
    const { paris, lyon, nice, all } = await three();
    paris.insert(1, 'from paris');
    const control = await paris.control();
    const done = await control.setRules(setting({ strategy: 'lww' }));
    expect(done).toMatchObject({ changed: true, rule: { table: 'item', strategy: 'lww', own: true } });
    expect(done.members).toEqual(['lyon', 'nice', 'paris'].map((name) => ({ name, adopted: true })));
    for (const node of all) expect(await strategyOf(node)).toBe('lww');
    lyon.insert(2, 'after it');
    await vi.waitFor(() => expect(nice.names()).toEqual(['from paris', 'after it']), soon);
    expect((await control.setRules(setting({ strategy: 'lww' }))).changed).toBe(false);
    expect((await rulesOf(nice))?.members).toContainEqual({ name: 'paris', adopted: true });
  });

  it('reaches a peer that is exchanged with by schedule only', async () => {
    const { paris, lyon } = await three({ live: false, schedule: null });
    lyon.insert(1, 'not yet known to paris');
    expect((await (await paris.control()).setRules(setting({ strategy: 'manual' }))).changed).toBe(true);
    expect(await strategyOf(lyon)).toBe('manual');
    expect(paris.names()).toEqual(['not yet known to paris']);
  });

  it('names who is missing, and changes nothing', async () => {
    const { paris, lyon, nice, all, dialed } = await three();
    await nice.stop();
    await lyon.stop();
    const missing = { code: 'peer-unreachable', message: expect.stringMatching(/lyon \(.*nice \(/) };
    await expect((await paris.control()).setRules(setting({ strategy: 'lww' }))).rejects.toMatchObject(missing);
    await lyon.start({ port: Number(new URL(dialed.peers[0]?.url ?? '').port) });
    await nice.start({ peers: [paris.asPeer] });
    for (const node of all) expect(await strategyOf(node)).toBe('merge');
    expect((await rulesOf(paris))?.underWay).toBeNull();
  });

  it('goes through while everybody writes', async () => {
    const { paris, all } = await three();
    let id = 0;
    const writing = setInterval(() => {
      for (const node of all) {
        id += 1;
        node.insert(id, node.name);
      }
    }, 50);
    try {
      const control = await paris.control();
      for (const strategy of ['lww', 'version', 'merge'] as const) {
        expect((await control.setRules(setting({ strategy }))).changed).toBe(true);
      }
    } finally {
      clearInterval(writing);
    }
    await vi.waitFor(() => {
      for (const node of all) expect(node.names()).toHaveLength(id);
    }, soon);
  });
});

describe('several at once', () => {
  it('lets two coordinators have their turns', async () => {
    const { paris, lyon, nice, all } = await three();
    await nice.stop();
    await nice.start({ peers: [paris.asPeer, lyon.asPeer] });
    for (const node of [paris, lyon]) {
      await vi.waitFor(async () => expect((await node.peer('nice'))?.state).toBe('online'), soon);
    }
    const controls = await Promise.all([paris.control(), lyon.control()]);
    const done = await Promise.all([
      controls[0].setRules(setting({ strategy: 'lww' })),
      controls[1].setRules(setting({ strategy: 'version', nodeOrder: ['lyon'] })),
    ]);
    expect(done.map(({ changed }) => changed)).toEqual([true, true]);
    const last = await strategyOf(paris);
    expect(['lww', 'version']).toContain(last);
    await vi.waitFor(async () => {
      for (const node of all) {
        expect(await strategyOf(node)).toBe(last);
        expect((await rulesOf(node))?.underWay).toBeNull();
      }
    }, soon);
  });

  it('needs a member as well that has joined elsewhere a moment ago, and admits none in between', async () => {
    const { paris, lyon, dialed } = await three({ live: false, schedule: null });
    const rome = await TestNode.joining(lyon, 'rome', { listens: false });
    const missing = { code: 'peer-unreachable', message: expect.stringContaining('rome (') };
    const control = await paris.control();
    await expect(control.setRules(setting({ strategy: 'lww' }))).rejects.toMatchObject(missing);
    await prepare(lyon, paris, aChange('paris'));
    await expect(TestNode.joining(lyon, 'oslo')).rejects.toMatchObject({ code: 'rules-changing' });
    expect(dialed.peers).toHaveLength(1);
    await rome.start({ peers: [paris.asPeer, lyon.asPeer] });
    await vi.waitFor(async () => expect((await paris.peer('rome'))?.state).toBe('online'), soon);
    expect((await control.setRules(setting({ strategy: 'lww' }))).changed).toBe(true);
    for (const node of [lyon, rome]) expect(await strategyOf(node)).toBe('lww');
  });
});

describe('a member that waits for the outcome', () => {
  it('exchanges nothing, and goes on when the coordinator knows of no change', async () => {
    const { paris, lyon, dialed } = await three({ live: false, schedule: null });
    const change = aChange('paris');
    await prepare(lyon, paris, change);
    expect((await rulesOf(lyon))?.underWay).toMatchObject({ tables: ['item'], coordinator: 'paris' });
    await restart(lyon);
    expect((await rulesOf(lyon))?.underWay).toMatchObject({ coordinator: 'paris' });
    const member = lyon.client();
    await expect(member.greet(await paris.hello())).rejects.toMatchObject({ code: 'rules-changing' });
    await member.close();
    // Whoever is refused by it asks what it waits for, and tells.
    lyon.insert(1, 'written meanwhile');
    const [result] = await (await paris.control()).sync({ databases: [], peers: ['lyon'] });
    expect(result?.error).toBeNull();
    expect(paris.names()).toEqual(['written meanwhile']);
    expect((await rulesOf(lyon))?.underWay).toBeNull();
    expect(dialed.peers).toHaveLength(1);
  });

  it('asks over a live connection, whichever side has dialed', async () => {
    const { paris, lyon, nice } = await three();
    await prepare(lyon, paris, aChange('paris'));
    await vi.waitFor(async () => expect((await rulesOf(lyon))?.underWay).toBeNull(), soon);
    const control = await nice.control();
    await expect(control.setRules(setting({ strategy: 'lww' }))).rejects.toMatchObject({ code: 'peer-unreachable' });
    expect((await (await paris.control()).setRules(setting({ strategy: 'lww' }))).changed).toBe(true);
  });

  it('hears of a decision from whoever goes by it, also when the coordinator has died right after it', async () => {
    const { paris, lyon, nice, all, dialed } = await three();
    // Lyon is told of nice, which has joined after it, and all have the same.
    await vi.waitFor(async () => {
      const [first, ...others] = (await Promise.all(all.map((node) => node.hello()))).map(({ vector }) => vector);
      for (const vector of others) expect(vector).toEqual(first);
    }, soon);
    const [atParis, atLyon] = [paris.asPeer, lyon.asPeer].map(({ url }) => ({ url, port: Number(new URL(url).port) }));
    for (const node of all) await node.stop();
    decideAlone(paris, aChange('paris'), [lyon, nice]);
    await lyon.start({ port: atLyon?.port ?? 0 });
    await nice.start({ peers: [{ name: 'paris', url: atParis?.url ?? '' }] });
    expect((await rulesOf(nice))?.underWay).toMatchObject({ coordinator: 'paris' });
    await paris.start({ port: atParis?.port ?? 0, ...dialed });
    await vi.waitFor(async () => {
      for (const node of all) expect(await strategyOf(node)).toBe('lww');
    }, soon);
  });
});

/** What a coordinator does at the moment of its decision, its process about to end. */
function decideAlone(coordinator: TestNode, change: RuleChange, members: readonly TestNode[]): void {
  const open = (path: string) => {
    const db = new Sqlite(path);
    const clock = { nowMs: () => Date.now() };
    return {
      db,
      replica: Replica.open({ writer: db, reader: db, install: db, clock, random: { hex }, limits: LIMITS }),
    };
  };
  const { db, replica } = open(coordinator.path);
  const base = replica.hello('shop').rulesHash;
  replica.rules.begin(change);
  const votes = members.map(({ path }) => {
    const member = open(path);
    member.replica.rules.prepare(change, base);
    const vote = { hello: member.replica.hello('shop'), members: member.replica.memberNames };
    member.db.close();
    return vote;
  });
  const record = { id: change.id, node: coordinator.name, operator: 'ann', command: 'rules set', detail: null };
  expect(replica.rules.decide(votes, { ...record, result: 'done' })).toBeNull();
  db.close();
}

describe('a coordinator that is gone', () => {
  it('is taken over from, once it has been removed and all that are left are at hand', async () => {
    const { paris, lyon, nice } = await three();
    // Nice, which only dials, dials lyon from now on.
    await nice.stop();
    await nice.start({ peers: [lyon.asPeer] });
    await paris.stop();
    await prepare(lyon, paris, aChange('paris'));
    const control = await lyon.control();
    await expect(control.recoverRules(TYPED)).rejects.toMatchObject({ code: 'rules-changing' });
    lyon.application.exec("UPDATE _sqlsync_member SET removed = 1 WHERE name = 'paris'");
    await vi.waitFor(async () => expect((await lyon.peer('nice'))?.state).toBe('online'), soon);
    expect(await control.recoverRules(TYPED)).toEqual({ outcome: 'given up' });
    expect(await control.recoverRules(TYPED)).toEqual({ outcome: null });
    nice.insert(1, 'goes on');
    await vi.waitFor(() => expect(lyon.names()).toEqual(['goes on']), soon);
  });
});
