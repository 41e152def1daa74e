/** Who types, or has this process run, as the system knows him. */
import { userInfo } from 'node:os';

/** A user id without a name, as in a container, is a name too. */
export function operatorName(): string {
  const { SUDO_USER, USER } = process.env;
  if (SUDO_USER) return SUDO_USER;
  try {
    return userInfo().username;
  } catch {
    return USER ?? `uid ${process.getuid?.() ?? 'unknown'}`;
  }
}
