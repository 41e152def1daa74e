/** What operators did, for people. */
import type { OperationReport } from '../operations/list-operations.js';
import type { Page } from '../page.js';
import { renderTable } from '../render-table.js';

export function renderOperations(page: Page<OperationReport>): string {
  if (page.items.length === 0) return 'no operations';
  return renderTable(
    [{ title: 'at' }, { title: 'node' }, { title: 'operator' }, { title: 'result' }, { title: 'command' }],
    page.items.map(({ at, node, operator, result, command }) => [at, node, operator, result, command]),
  );
}
