/** Keys of this node's own, one beside each database file, by its real path. */
import type { MemberKey } from '../member-key.js';

export interface MemberKeys {
  /** Null: there is none for a node of that name. */
  read(realPath: string, node: string): MemberKey | null;
  write(realPath: string, key: MemberKey): void;
}
