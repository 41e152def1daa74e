/** What an uninstall makes of rows that are in no table of the application, for people. */
import type { UninstallTarget } from '../operations/uninstall-database.js';
import { renderCount } from '../render-figures.js';

export function renderAside({ path, catchingUp, aside }: UninstallTarget): string[] {
  const halfApplied = `${path} is in the middle of a catch-up: some rows are as the peer sent them, others as before`;
  return [
    ...(catchingUp ? [halfApplied] : []),
    ...aside.map(({ table, placed, lost }) => {
      const back = placed === 0 ? '' : `${renderCount(placed, 'row goes', 'rows go')} back into the table; `;
      return `${table}: ${back}${renderCount(lost, 'row version is', 'row versions are')} lost in this file`;
    }),
  ];
}
