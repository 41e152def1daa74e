/** The members of the data set, for people. */
import type { Ansis } from 'ansis';
import type { MemberReport } from '../operations/list-members.js';
import { renderCount, renderSeconds } from '../render-figures.js';
import { renderTable } from '../render-table.js';

export function renderMembers(members: readonly MemberReport[], now: Date, paint: Ansis): string {
  const right = 'right' as const;
  return renderTable(
    [
      { title: 'database' },
      { title: 'member' },
      { title: 'access' },
      { title: 'joined' },
      { title: 'not acknowledged', align: right },
      { title: 'lag', align: right },
      { title: 'last heard' },
      { title: '' },
    ],
    members.map((member) => [
      member.database,
      member.name,
      member.access,
      member.joinedAt.slice(0, 10),
      member.unacknowledged.changes?.toLocaleString('en') ?? '-',
      member.lagSeconds === null ? '-' : renderSeconds(member.lagSeconds),
      lastHeard(member, now),
      remark(member, paint),
    ]),
  );
}

function lastHeard({ lastHeardAt, self }: MemberReport, now: Date): string {
  if (self) return '-';
  return lastHeardAt === null ? 'never' : `${renderSeconds((now.getTime() - Date.parse(lastHeardAt)) / 1000)} ago`;
}

function remark({ self, removedAt, revoked }: MemberReport, paint: Ansis): string {
  if (removedAt !== null) return paint.yellow(`removed ${removedAt.slice(0, 10)}`);
  if (revoked) return paint.yellow('revoked');
  return self ? 'this node' : '';
}

/** What is known of a member that is about to be removed, in sentences. */
export function describeRemoval(member: MemberReport, now: Date): string {
  const { name, unacknowledged } = member;
  const heard = member.lastHeardAt === null ? 'has never been heard of' : `was last heard of ${lastHeard(member, now)}`;
  const missing = unacknowledged.changes
    ? `It has not acknowledged ${renderCount(unacknowledged.changes, 'change')}, and gets them when it rejoins.`
    : 'It has acknowledged all that is here.';
  return `${name} ${heard}. ${missing} What it has written and not sent stays in its file until it rejoins.`;
}
