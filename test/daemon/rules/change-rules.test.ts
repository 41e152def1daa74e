/** Rules changed through daemons: every member takes part, over whatever connection it is reached by. */
import { describe, expect, it, vi } from 'vitest';
import type { RuleRequest } from '../../../src/replication/rule-request.js';
import { makeFolder } from '../../support/make-folder.js';
import { TestNode } from '../node.js';

const soon = { interval: 5, timeout: 15_000 };
const NOTHING = { strategy: null, nodeOrder: null, keyCollision: null, orphan: null };
const rule = (change: Partial<RuleRequest>): RuleRequest => ({ table: 'item', ...NOTHING, ...change });
const typed = (change: Partial<RuleRequest>) => ({
  database: 'shop',
  operator: 'ann',
  command: 'rules set …',
  rule: rule(change),
});

/** Paris dials lyon, and nice dials paris: that one only dials. */
async function three() {
  const paris = await TestNode.first(makeFolder(), 'paris').start();
  const lyon = await TestNode.joining(paris, 'lyon');
  const nice = await TestNode.joining(paris, 'nice', { listens: false });
  await lyon.start();
  const { port } = new URL(paris.url);
  await paris.stop();
  await paris.start({ port: Number(port), peers: [lyon.asPeer] });
  await nice.start({ peers: [{ ...paris.asPeer }] });
  await vi.waitFor(async () => {
    expect((await paris.peer('nice'))?.state).toBe('online');
    expect((await paris.peer('lyon'))?.state).toBe('online');
  }, soon);
  return { paris, lyon, nice };
}

async function strategyOf(node: TestNode): Promise<string | undefined> {
  const status = await node.daemon?.status();
  return status?.databases[0]?.replica?.rules.tables.find(({ table }) => table === 'item')?.strategy;
}

describe('rules set', () => {
  it('changes the rules of all members, those too that only dial', async () => {
    const { paris, lyon, nice } = await three();
    paris.insert(1, 'from paris');
    const done = await (await paris.control()).setRules(typed({ strategy: 'lww' }));
    expect(done).toMatchObject({ changed: true, rule: { table: 'item', strategy: 'lww', own: true } });
    expect(done.members).toEqual(['lyon', 'nice', 'paris'].map((name) => ({ name, adopted: true })));
    for (const node of [paris, lyon, nice]) expect(await strategyOf(node)).toBe('lww');
    lyon.insert(2, 'after it');
    await vi.waitFor(() => expect(nice.names()).toEqual(['from paris', 'after it']), soon);
    expect((await (await paris.control()).setRules(typed({ strategy: 'lww' }))).changed).toBe(false);
  });
});
