/**
 * An unknown command: exit 2 with the nearest known one, and JSON if asked for. It never asks back, as oclif's own
 * plugin for this does.
 */
import type { Hook } from '@oclif/core';
import { SqlsyncError } from '../errors.js';
import { isSwitchGiven, reportError } from '../report-error.js';

/** Levenshtein's distance, one row of the matrix at a time. */
function editDistance(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, i) => i);
  for (const [i, letter] of [...from].entries()) {
    const next = [i + 1];
    for (let j = 0; j < to.length; j += 1) {
      const substitution = (row[j] ?? 0) + (letter === to[j] ? 0 : 1);
      next.push(Math.min(substitution, (row[j + 1] ?? 0) + 1, (next[j] ?? 0) + 1));
    }
    row = next;
  }
  return row.at(-1) ?? 0;
}

function nearestTo(typed: string, names: readonly string[]): string | null {
  const [nearest] = names
    .map((name) => ({ name, distance: editDistance(typed, name) }))
    .sort((a, b) => a.distance - b.distance);
  return nearest && nearest.distance <= Math.max(2, typed.length / 3) ? nearest.name : null;
}

const commandNotFound: Hook.CommandNotFound = async function ({ id, argv = [], config }) {
  const typed = id.replaceAll(':', ' ');
  const known = [...config.commands, ...config.topics.map((topic) => ({ id: topic.name, hidden: topic.hidden }))];
  const names = known.filter(({ hidden }) => !hidden).map((command) => command.id.replaceAll(':', ' '));
  const nearest = nearestTo(typed, names);
  const error = id.startsWith('-')
    ? new SqlsyncError('usage', `${id} stands before a command`, {
        hint: `Flags follow it: ${config.bin} COMMAND ${id}`,
      })
    : new SqlsyncError('usage', `"${typed}" is no command`, {
        hint: nearest ? `Did you mean \`${config.bin} ${nearest}\`?` : `\`${config.bin} help\` lists them.`,
      });
  const exitCode = reportError(error, {
    json: isSwitchGiven([id, ...argv], ['--json'], process.env.SQLSYNC_JSON),
    verbose: false,
    color: !isSwitchGiven(argv, ['--no-color'], process.env.SQLSYNC_NO_COLOR),
    helpCommand: `${config.bin} help`,
  });
  this.exit(exitCode);
};

export default commandNotFound;
