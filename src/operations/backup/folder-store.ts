/**
 * Backups in a folder. Files are written under a temporary name, synced, and renamed, and the folder is synced: a process
 * or a machine that dies leaves a whole backup or what is known as rubbish by its name.
 */
import { createHash, randomBytes } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { type FileHandle, mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { SqlsyncError } from '../../errors.js';
import { backupNameOf, manifestNameOf, ownerPrefix } from './backup-name.js';
import {
  type BackupStore,
  type BackupUpload,
  MANIFEST_BYTES_MAX,
  type StoredFile,
  type WrittenFile,
} from './backup-store.js';
import { missingBackup, storeError } from './store-errors.js';

const PARTIAL = '.partial-';

export class FolderStore implements BackupStore {
  constructor(private readonly folder: string) {}

  pathOf(name: string): string {
    return join(this.folder, name);
  }

  put(upload: BackupUpload): Promise<WrittenFile> {
    return this.told(this.pathOf(upload.name), async () => {
      await mkdir(this.folder, { recursive: true, mode: 0o700 });
      const ending = PARTIAL + randomBytes(6).toString('hex');
      const manifestName = manifestNameOf(upload.name);
      const [data, manifest] = [upload.name, manifestName].map((name) => this.pathOf(`.${name}${ending}`)) as [
        string,
        string,
      ];
      try {
        const written = await writeData(data, upload.data);
        await writeText(manifest, upload.manifest(written));
        await rename(manifest, this.pathOf(manifestName));
        await rename(data, this.pathOf(upload.name));
        await syncFolder(this.folder);
        return written;
      } catch (error) {
        for (const path of [data, manifest, this.pathOf(manifestName)]) await rm(path, { force: true });
        throw error;
      }
    });
  }

  list(): Promise<StoredFile[]> {
    return this.told(this.folder, async () => {
      const names = (await this.names()).filter((name) => !name.startsWith('.'));
      const files = await Promise.all(names.map((name) => this.fileOf(name)));
      return files.filter((file) => file !== null);
    });
  }

  read(name: string): Promise<Readable> {
    return this.told(this.pathOf(name), async () => {
      const handle = await open(this.pathOf(name), 'r');
      if ((await handle.stat()).isFile()) return handle.createReadStream();
      await handle.close();
      throw missingBackup(this.pathOf(name));
    });
  }

  readText(name: string): Promise<string> {
    return this.told(this.pathOf(name), async () => {
      const path = this.pathOf(name);
      if ((await stat(path)).size > MANIFEST_BYTES_MAX)
        throw new SqlsyncError('backup-damaged', `${path} is too large`);
      return readFile(path, 'utf8');
    });
  }

  async remove(name: string): Promise<void> {
    await this.told(this.pathOf(name), async () => {
      await rm(this.pathOf(name), { force: true });
      await syncFolder(this.folder);
    });
  }

  async removeLeftovers(owner: Parameters<BackupStore['removeLeftovers']>[0]): Promise<void> {
    const prefix = ownerPrefix(owner);
    await this.told(this.folder, async () => {
      const names = await this.names();
      const isLeft = (name: string) => {
        if (name.startsWith(`.${prefix}`)) return name.includes(PARTIAL);
        const backup = name.startsWith(prefix) ? backupNameOf(name) : null;
        return backup !== null && !names.includes(backup);
      };
      for (const name of names.filter(isLeft)) await rm(this.pathOf(name), { force: true });
    });
  }

  private async names(): Promise<string[]> {
    try {
      return await readdir(this.folder);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
      throw error;
    }
  }

  /** Null: it has gone meanwhile, or is no file. */
  private async fileOf(name: string): Promise<StoredFile | null> {
    const found = await stat(this.pathOf(name)).catch(() => null);
    return found?.isFile() ? { name, bytes: found.size } : null;
  }

  private async told<Result>(path: string, work: () => Promise<Result>): Promise<Result> {
    try {
      return await work();
    } catch (error) {
      throw storeError(error, path);
    }
  }
}

async function writeData(path: string, data: Readable): Promise<WrittenFile> {
  const hash = createHash('sha256');
  let bytes = 0;
  const count = async function* (pieces: AsyncIterable<Buffer>) {
    for await (const piece of pieces) {
      hash.update(piece);
      bytes += piece.length;
      yield piece;
    }
  };
  await pipeline(data, count, createWriteStream(path, { flags: 'wx', mode: 0o600 }));
  await syncFile(path);
  return { bytes, sha256: hash.digest('hex') };
}

async function writeText(path: string, text: string): Promise<void> {
  await withFile(path, 'wx', async (file) => {
    await file.writeFile(text);
    await file.sync();
  });
}

function syncFile(path: string): Promise<void> {
  return withFile(path, 'r+', (file) => file.sync());
}

/** Without it the new names may be lost in a power failure though the contents are not. */
function syncFolder(path: string): Promise<void> {
  return withFile(path, 'r', (file) => file.sync());
}

async function withFile(path: string, flags: string, work: (file: FileHandle) => Promise<void>): Promise<void> {
  const file = await open(path, flags, 0o600);
  try {
    await work(file);
  } finally {
    await file.close();
  }
}
