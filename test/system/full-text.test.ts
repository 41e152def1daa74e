/** A full-text index that triggers keep beside a table that replicates: right on every node, whoever has written. */
import { expect, it } from 'vitest';
import { untilEqual, withReader } from '../support/compare-files.js';
import { CHECK_FULL_TEXT, makeMusicShop } from '../support/music-shop.js';
import { joinHub, startHub, write } from './start-nodes.js';

const EQUAL_MS_MAX = 15_000;

it('finds what other nodes have written, and no longer what they have changed and deleted', async () => {
  const hub = await startHub({}, (path) => makeMusicShop(path, 'wal'));
  const east = await (await joinHub(hub, 'east')).start();
  write(hub, "UPDATE Track SET Name = 'Changed at the hub' WHERE TrackId = 1; DELETE FROM Track WHERE TrackId = 2");
  write(
    east,
    "INSERT INTO Track(TrackId, Name) VALUES (900, 'Inserted in the east'); DELETE FROM Track WHERE TrackId = 3",
  );
  await untilEqual([hub, east], EQUAL_MS_MAX);
  for (const node of [hub, east]) {
    const found = (text: string) =>
      withReader(node.path, (db) =>
        db.prepare('SELECT rowid FROM TrackText WHERE TrackText MATCH ? ORDER BY rowid').pluck().all(text),
      );
    expect([found('hub'), found('east'), found('"Song 1"'), found('"Song 2"')]).toEqual([[1], [900], [], []]);
    write(node, CHECK_FULL_TEXT);
  }
  await untilEqual([hub, east], 0);
});
