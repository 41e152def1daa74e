/** Paris, whose daemon runs, and Lyon, which exchanges with it when told to; both keep the small shop. */
import { onTestFinished } from 'vitest';
import { makeFolder } from './make-folder.js';
import { ProcessNode } from './process-node.js';
import { makeShop, onDatabase } from './shop-database.js';

export async function makeShopPair(): Promise<{ paris: ProcessNode; lyon: ProcessNode }> {
  const folder = makeFolder();
  const paris = await ProcessNode.first(folder, 'paris', (path) => makeShop(path));
  onTestFinished(() => paris.dispose());
  await paris.start();
  const lyon = await ProcessNode.joining(paris, 'lyon', { change: { peer: { live: false, schedule: null } } });
  onTestFinished(() => lyon.dispose());
  return { paris, lyon };
}

export const sell = (node: ProcessNode, id: number) =>
  onDatabase(node.path, (db) => db.exec(`INSERT INTO sale VALUES(${id}, 'tea', 1)`));
