/**
 * Backups in a bucket. What is larger than a part goes up in parts, and is there from the moment in which they are put
 * together; the manifest goes up right before. Parts of an upload that died are invisible, and are thrown away by the
 * next run, where the store lets itself be asked for them.
 */
import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import type { ReadableStream } from 'node:stream/web';
import { SqlsyncError } from '../../errors.js';
import { backupNameOf, manifestNameOf, ownerPrefix } from './backup-name.js';
import {
  type BackupStore,
  type BackupUpload,
  MANIFEST_BYTES_MAX,
  type StoredFile,
  type WrittenFile,
} from './backup-store.js';
import { elementsIn, type S3Client, tagIn } from './s3-client.js';
import { missingBackup } from './store-errors.js';

/** Held in memory; S3 takes 5 MiB to 5 GiB, and some stores want all of one size. */
const PART_BYTES = 32 * 1024 * 1024;
/** As many as S3 takes: 320,000 MiB in all. */
const PARTS_MAX = 10_000;
const PAGES_MAX = 10_000;
/** Stores that cannot list or drop uploads say so in one of these ways. */
const NOT_OFFERED = [400, 403, 404, 405, 501];

export interface S3Place {
  readonly bucket: string;
  /** With a slash at its end, or empty. */
  readonly prefix: string;
}

/** Null: this is no place in a bucket. Throws usage for one that is wrong. */
export function parseS3Place(place: string): S3Place | null {
  if (!place.includes('://')) return null;
  const match = /^s3:\/\/([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:\/+(.*?))?\/*$/.exec(place);
  if (match === null) {
    throw new SqlsyncError('usage', `${place} is no place for backups`, { hint: 'a folder, or s3://BUCKET/PREFIX' });
  }
  const [, bucket = '', path = ''] = match;
  return { bucket, prefix: path === '' ? '' : `${path}/` };
}

interface Upload {
  readonly key: string;
  readonly id: string;
}

export class S3Store implements BackupStore {
  /** @param partBytes smaller only in tests */
  constructor(
    private readonly client: S3Client,
    private readonly place: S3Place,
    private readonly partBytes = PART_BYTES,
  ) {}

  pathOf(name: string): string {
    return `s3://${this.place.bucket}/${this.keyOf(name)}`;
  }

  async put({ name, data, manifest }: BackupUpload): Promise<WrittenFile> {
    const hash = createHash('sha256');
    let bytes = 0;
    let upload: Upload | null = null;
    const etags: string[] = [];
    let last: Buffer | null = null;
    const manifestName = manifestNameOf(name);
    try {
      for await (const part of partsOf(data, this.partBytes)) {
        hash.update(part);
        bytes += part.length;
        // One part alone is an ordinary object.
        if (last !== null) {
          upload ??= await this.begin(name);
          etags.push(await this.putPart(upload, etags.length + 1, last));
        }
        last = part;
      }
      const rest = last ?? Buffer.alloc(0);
      if (upload !== null) etags.push(await this.putPart(upload, etags.length + 1, rest));
      const written = { bytes, sha256: hash.digest('hex') };
      const body = Buffer.from(manifest(written));
      await this.client.send({ method: 'PUT', key: this.keyOf(manifestName), body });
      if (upload === null) await this.client.send({ method: 'PUT', key: this.keyOf(name), body: rest });
      else await this.complete(upload, etags);
      return written;
    } catch (error) {
      data.destroy();
      await this.giveUp(upload, manifestName);
      throw error;
    }
  }

  async list(): Promise<StoredFile[]> {
    const files: StoredFile[] = [];
    let token: string | null = null;
    for (let page = 0; page < PAGES_MAX; page += 1) {
      const query: Record<string, string> = { 'list-type': '2', prefix: this.place.prefix };
      if (token !== null) query['continuation-token'] = token;
      const xml = await (await this.client.send({ method: 'GET', key: '', query })).text();
      for (const entry of elementsIn(xml, 'Contents')) {
        const name = tagIn(entry, 'Key')?.slice(this.place.prefix.length) ?? '';
        if (name !== '' && !name.includes('/')) files.push({ name, bytes: Number(tagIn(entry, 'Size')) });
      }
      token = tagIn(xml, 'NextContinuationToken');
      if (token === null) return files;
    }
    throw new SqlsyncError('backup-store', `${this.pathOf('')} has too much in it to be listed`, {
      hint: 'give backups a prefix of their own',
    });
  }

  async read(name: string): Promise<Readable> {
    const { body } = await this.get(name);
    return body === null ? Readable.from([]) : Readable.fromWeb(body as unknown as ReadableStream);
  }

  async readText(name: string): Promise<string> {
    const answer = await this.get(name);
    if (Number(answer.headers.get('content-length')) > MANIFEST_BYTES_MAX) {
      await answer.body?.cancel();
      throw new SqlsyncError('backup-damaged', `${this.pathOf(name)} is too large`);
    }
    return answer.text();
  }

  async remove(name: string): Promise<void> {
    await this.client.send({ method: 'DELETE', key: this.keyOf(name), statuses: [404] });
  }

  async removeLeftovers(owner: Parameters<BackupStore['removeLeftovers']>[0]): Promise<void> {
    const prefix = ownerPrefix(owner);
    const names = (await this.list()).map(({ name }) => name);
    for (const name of names) {
      const backup = name.startsWith(prefix) ? backupNameOf(name) : null;
      if (backup !== null && !names.includes(backup)) await this.remove(name);
    }
    for (const upload of await this.uploadsUnder(this.keyOf(prefix))) await this.abort(upload);
  }

  private keyOf(name: string): string {
    return this.place.prefix + name;
  }

  private async get(name: string): Promise<Response> {
    const answer = await this.client.send({ method: 'GET', key: this.keyOf(name), statuses: [404] });
    if (answer.ok) return answer;
    const text = await answer.text();
    if (tagIn(text, 'Code') !== 'NoSuchBucket') throw missingBackup(this.pathOf(name));
    throw new SqlsyncError('backup-store', `there is no bucket ${this.place.bucket}`, {
      hint: 'see the name of the bucket',
    });
  }

  private async begin(name: string): Promise<Upload> {
    const key = this.keyOf(name);
    const xml = await (await this.client.send({ method: 'POST', key, query: { uploads: '' } })).text();
    const id = tagIn(xml, 'UploadId');
    if (id !== null) return { key, id };
    throw new SqlsyncError('backup-store', `${this.pathOf(name)}: the store begins no upload in parts`);
  }

  private async putPart({ key, id }: Upload, number: number, body: Buffer): Promise<string> {
    if (number > PARTS_MAX) throw new SqlsyncError('backup-store', `s3://${this.place.bucket}/${key} is too large`);
    const query = { partNumber: String(number), uploadId: id };
    const answer = await this.client.send({ method: 'PUT', key, query, body });
    await answer.body?.cancel();
    return answer.headers.get('etag') ?? '';
  }

  /** S3 may answer that all is well and tell of an error in the same breath. */
  private async complete({ key, id }: Upload, etags: readonly string[]): Promise<void> {
    const parts = etags.map((etag, i) => `<Part><PartNumber>${i + 1}</PartNumber><ETag>${etag}</ETag></Part>`);
    const body = Buffer.from(`<CompleteMultipartUpload>${parts.join('')}</CompleteMultipartUpload>`);
    const xml = await (await this.client.send({ method: 'POST', key, query: { uploadId: id }, body })).text();
    if (!xml.includes('<Error>')) return;
    const why = `${tagIn(xml, 'Code')}: ${tagIn(xml, 'Message')}`;
    throw new SqlsyncError('backup-store', `s3://${this.place.bucket}/${key}: ${why}`, { hint: 'try again' });
  }

  /** What is left when the store cannot be reached any more, the next run takes away. */
  private async giveUp(upload: Upload | null, manifestName: string): Promise<void> {
    try {
      await this.remove(manifestName);
      if (upload !== null) await this.abort(upload);
    } catch (error) {
      if (!(error instanceof SqlsyncError)) throw error;
    }
  }

  private async abort({ key, id }: Upload): Promise<void> {
    await this.client.send({ method: 'DELETE', key, query: { uploadId: id }, statuses: NOT_OFFERED });
  }

  private async uploadsUnder(prefix: string): Promise<Upload[]> {
    const answer = await this.client.send({
      method: 'GET',
      key: '',
      query: { uploads: '', prefix },
      statuses: NOT_OFFERED,
    });
    const xml = await answer.text();
    if (!answer.ok) return [];
    return elementsIn(xml, 'Upload').flatMap((entry) => {
      const [key, id] = [tagIn(entry, 'Key'), tagIn(entry, 'UploadId')];
      return key !== null && id !== null && key.startsWith(prefix) ? [{ key, id }] : [];
    });
  }
}

/** All of one size but the last. */
async function* partsOf(data: Readable, partBytes: number): AsyncGenerator<Buffer, void, undefined> {
  let pieces: Buffer[] = [];
  let bytes = 0;
  for await (const read of data as AsyncIterable<Uint8Array>) {
    let piece = Buffer.from(read.buffer, read.byteOffset, read.byteLength);
    while (bytes + piece.length >= partBytes) {
      const room = partBytes - bytes;
      yield Buffer.concat([...pieces, piece.subarray(0, room)]);
      piece = piece.subarray(room);
      [pieces, bytes] = [[], 0];
    }
    pieces.push(piece);
    bytes += piece.length;
  }
  if (bytes > 0) yield Buffer.concat(pieces);
}
