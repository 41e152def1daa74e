/** Django: every change of a column is a table called new__…, copied and renamed, in a transaction. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { OrmProgram } from './orm-program.js';

const MANAGE = fileURLToPath(new URL('./django/manage.py', import.meta.url));
const HAS_DJANGO = ['-c', 'import django'];
/** Debian's package is for Debian's own interpreter, which need not be the first in the path. */
const PYTHON = ['python3', '/usr/bin/python3'].find((python) => spawnSync(python, HAS_DJANGO).status === 0);

export const DJANGO: OrmProgram = {
  name: 'Django',
  missing: PYTHON === undefined ? 'python3-django is not on this machine' : null,
  migrate: async (path, upTo) => {
    const env = { PATH: process.env.PATH, SHOP_DATABASE: path, PYTHONDONTWRITEBYTECODE: '1' };
    const { status, stderr } = spawnSync(PYTHON ?? '', [MANAGE, 'migrate', 'shop', `000${upTo}`], {
      env,
      encoding: 'utf8',
    });
    if (status !== 0) throw new Error(stderr);
  },
};
