/** A review at a real terminal: what is asked, what is typed, and what comes of it. */
import { expect, test, vi } from 'vitest';
import { ConflictShop } from '../support/conflict-shop.js';
import { KEYS, missingTerminal, runAtTerminal } from '../support/pseudo-terminal.js';

vi.setConfig({ testTimeout: 120_000 });

const missing = missingTerminal();
const { enter, down, interrupt } = KEYS;

// Without a terminal nobody can be asked.
test.skipIf(missing !== null)(`a review decides one by one, and keeps what is decided${missing ?? ''}`, async () => {
  const shop = new ConflictShop();
  const review = [
    'conflicts',
    'resolve',
    '--interactive',
    '-c',
    'n0.yml',
    '--table',
    'product',
    '--kind',
    'update-update',
  ];
  const { shown, exitCode } = await runAtTerminal(
    review,
    [
      { waitFor: 'What shall be?', type: down + down + enter },
      { waitFor: '4.9  (n1)', type: down + down + enter },
      { waitFor: 'price, as JSON:', type: `five${enter}` },
      { waitFor: 'is no JSON', type: `\b\b\b\b5.25${enter}` },
    ],
    shop.folder,
  );
  expect(shown).toContain('1 of 1');
  expect(shown).toContain('1 conflict resolved');
  expect(exitCode).toBe(0);
  expect(shop.rows(`SELECT name, price FROM product WHERE sku = 'tea'`)).toEqual([['Assam, 100 g', 5.25]]);

  const stopped = await runAtTerminal(
    ['conflicts', 'resolve', '-i', '-c', 'n0.yml'],
    [
      { waitFor: 'What shall be?', type: down + enter },
      { waitFor: '2 of 2', type: '' },
      { waitFor: 'What shall be?', type: interrupt },
    ],
    shop.folder,
  );
  expect(stopped.exitCode).toBe(130);
  expect(await shop.list(['--state', 'resolved'])).toHaveLength(2);
  expect(shop.rows('SELECT command, result FROM _sqlsync_operation ORDER BY at')).toEqual([
    [`conflicts resolve --interactive -c n0.yml --table product --kind update-update`, 'done'],
    ['conflicts resolve -i -c n0.yml', 'done'],
  ]);
});

test('without a terminal nothing is asked', async () => {
  const shop = new ConflictShop();
  const run = await shop.run(['conflicts', 'resolve', '--interactive']);
  expect(run).toMatchObject({ exitCode: 2, stdout: '' });
  expect(run.stderr).toContain('nobody can be asked here');
});
