/** What a review of conflicts says at the terminal. */
import type { ConflictDetail } from '../operations/conflict-report.js';
import type { DecisionWords } from '../operations/decide-conflict.js';
import { reportOf } from '../operations/resolve-conflicts.js';
import { parseTypedValue } from '../operations/typed-values.js';
import type { ResolutionOutcome } from '../replication/resolve-conflict.js';
import { type RenderConflictOptions, renderConflict } from './render-conflict.js';
import { renderItem } from './render-resolutions.js';
import { printable, renderValue } from './render-value.js';

export interface ReviewWords extends DecisionWords {
  readonly present: (conflict: ConflictDetail, place: { readonly number: number; readonly total: number }) => string;
  readonly tell: (outcome: ResolutionOutcome) => string;
}

/** @param options as for a conflict that is shown by itself */
export function reviewWords(options: RenderConflictOptions): ReviewWords {
  const { paint } = options;
  return {
    name: printable,
    show: (value) => renderValue(value),
    parse: parseTypedValue,
    present: (conflict, { number, total }) =>
      `\n${paint.dim(`${number} of ${total}`)}\n${renderConflict(conflict, options)}\n`,
    tell: (outcome) =>
      reportOf('', [outcome], false)
        .items.map((item) => renderItem(item, false, paint))
        .join('\n'),
  };
}
