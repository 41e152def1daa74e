/**
 * Times an operator's work on thousands of conflicts, each command as a whole process: npm run prove:conflicts [-- N].
 * Fails when a page or a summary takes more than a second, or a rehearsal and the resolution together more than ten.
 */
import { resolveMany } from '../test/support/many-conflicts.js';

const LOOK_MS_MAX = 1_000;
const RESOLVE_MS_MAX = 10_000;

const count = Number(process.argv[2] ?? 5_000);
const { page, secondPage, summary, rehearsal, resolution } = await resolveMany(count, [7, 4_999]);
const figures = [
  ['a page', page.tookMs, LOOK_MS_MAX],
  ['the next page', secondPage.tookMs, LOOK_MS_MAX],
  ['a summary', summary.tookMs, LOOK_MS_MAX],
  ['a rehearsal and the resolution', rehearsal.tookMs + resolution.tookMs, RESOLVE_MS_MAX],
] as const;
for (const [what, tookMs, boundMs] of figures) {
  console.log(`${what} of ${count} conflicts: ${tookMs} ms${tookMs > boundMs ? `, more than ${boundMs}` : ''}`);
}
if (figures.some(([, tookMs, boundMs]) => tookMs > boundMs)) process.exitCode = 1;
