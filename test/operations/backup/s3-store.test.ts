/** Backups in a bucket, on a server that speaks S3. */
import { createHash, createHmac, randomBytes } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { expect, onTestFinished, test } from 'vitest';
import { listBackups, pruneBackups } from '../../../src/operations/backup/list-backups.js';
import { findBackup, openStore } from '../../../src/operations/backup/open-store.js';
import { S3Client } from '../../../src/operations/backup/s3-client.js';
import { parseS3Place, S3Store } from '../../../src/operations/backup/s3-store.js';
import { BUCKET, startObjectStore } from '../../support/object-store.js';

const PART = 5 * 1024 * 1024;
const NAME = 'shop.paris.20260102T030405678Z.db.gz';
const nameAt = (hour: number) => NAME.replace('T03', `T0${hour}`);

async function startStore(prefix = 'nightly/') {
  const env = await startObjectStore();
  return { env, store: new S3Store(S3Client.of(BUCKET, env), { bucket: BUCKET, prefix }, PART) };
}

const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');

/** In pieces that fit no part. */
function piecesOf(bytes: Buffer): Readable {
  const pieces = [];
  for (let at = 0; at < bytes.length; at += 700_001) pieces.push(bytes.subarray(at, at + 700_001));
  return Readable.from(pieces);
}

test.each([0, 1, PART - 1, PART, PART + 1, 2 * PART, 2 * PART + 12_345])(
  '%i bytes come back as they went',
  async (size) => {
    const { store } = await startStore();
    const bytes = randomBytes(size);
    const written = await store.put({ name: NAME, data: piecesOf(bytes), manifest: ({ sha256: hash }) => hash });
    expect(written).toEqual({ bytes: size, sha256: sha256(bytes) });
    expect(sha256(await buffer(await store.read(NAME)))).toBe(written.sha256);
    expect(await store.readText(`${NAME}.json`)).toBe(written.sha256);
    expect((await store.list()).sort((x, y) => x.name.length - y.name.length)).toEqual([
      { name: NAME, bytes: size },
      { name: `${NAME}.json`, bytes: 64 },
    ]);
  },
);

test('one place’s backups are listed and pruned apart from another’s', async () => {
  const { store, env } = await startStore();
  const owner = { database: 'shop', node: 'paris' };
  const data = () => Readable.from([Buffer.from('x')]);
  for (const hour of [1, 2, 3]) await store.put({ name: nameAt(hour), data: data(), manifest: () => '{}' });
  const other = openStore(`s3://${BUCKET}/other`, env);
  await other.put({ name: nameAt(4), data: data(), manifest: () => '{}' });
  expect((await listBackups(store)).map(({ path }) => path)).toEqual(
    [3, 2, 1].map((hour) => `s3://${BUCKET}/nightly/${nameAt(hour)}`),
  );
  const gone = await pruneBackups(store, owner, { last: 1, daily: 0, weekly: 0, monthly: 0 }, false);
  expect(gone).toHaveLength(2);
  expect((await store.list()).map(({ name }) => name).sort()).toEqual([nameAt(3), `${nameAt(3)}.json`]);
  expect(await listBackups(other)).toHaveLength(1);
});

test('a list of many pages is one list', async () => {
  const pages = [
    '<Contents><Key>a</Key><Size>1</Size></Contents><NextContinuationToken>x+/=</NextContinuationToken>',
    '',
  ];
  const { env, asked } = await answering((request, response) => {
    const token = new URL(request.url ?? '', 'http://host').searchParams.get('continuation-token');
    response.end(`<ListBucketResult>${pages[token === 'x+/=' ? 1 : 0]}</ListBucketResult>`);
  });
  expect(await openStore('s3://bucket', env).list()).toEqual([{ name: 'a', bytes: 1 }]);
  expect(asked).toHaveLength(2);
});

test('what breaks off in the middle leaves nothing, and a manifest without its backup goes', async () => {
  const { store } = await startStore();
  const breaking = Readable.from(
    (async function* () {
      yield randomBytes(PART);
      yield randomBytes(PART);
      throw new Error('the source breaks off');
    })(),
  );
  await expect(store.put({ name: NAME, data: breaking, manifest: () => '{}' })).rejects.toThrow('breaks off');
  expect(await store.list()).toEqual([]);
  await store.put({ name: `${NAME}.json`, data: Readable.from([Buffer.from('{}')]), manifest: () => '' });
  await store.remove(`${NAME}.json.json`);
  await store.removeLeftovers({ database: 'shop', node: 'paris' });
  expect(await store.list()).toEqual([]);
});

test('who is refused, or reaches nobody, is told why', async () => {
  const { env, store } = await startStore();
  const failure = (place: string, more: object) => openStore(place, { ...env, ...more }).list();
  const told = (words: string) => ({ code: 'backup-store', exitCode: 69, message: expect.stringContaining(words) });
  await expect(failure(`s3://${BUCKET}`, { AWS_ACCESS_KEY_ID: 'wrong' })).rejects.toMatchObject(
    told('403 InvalidAccessKeyId'),
  );
  await expect(failure('s3://nowhere', {})).rejects.toMatchObject(told('NoSuchBucket'));
  await expect(store.read(NAME)).rejects.toMatchObject({ code: 'backup-missing' });
  expect(() => openStore(`s3://${BUCKET}`, {})).toThrow(expect.objectContaining(told('no credentials')));
  const open = { ...env, AWS_ENDPOINT_URL_S3: 'http://storage.example.org' };
  expect(() => openStore(`s3://${BUCKET}`, open)).toThrow(expect.objectContaining(told('must be https')));
  for (const wrong of ['s3://', 's3://Upper', 'ftp://host/folder']) {
    expect(() => parseS3Place(wrong)).toThrow(expect.objectContaining({ code: 'usage' }));
  }
  expect(findBackup(`s3://${BUCKET}/a/b/${NAME}`, env).store.pathOf(NAME)).toBe(`s3://${BUCKET}/a/b/${NAME}`);
});

test('what passes is tried again, and what does not is not', async () => {
  const { env, asked } = await answering((_, response, count) => {
    if (count === 1) response.destroy();
    else if (count === 2) response.writeHead(503).end('<Error><Code>SlowDown</Code></Error>');
    else response.end('<ListBucketResult><Contents><Key>a&amp;b</Key><Size>7</Size></Contents></ListBucketResult>');
  });
  expect(await openStore('s3://bucket', env).list()).toEqual([{ name: 'a&b', bytes: 7 }]);
  expect(asked).toHaveLength(3);
  const refusing = await answering((_, response) => response.writeHead(403).end());
  await expect(openStore('s3://bucket', refusing.env).list()).rejects.toMatchObject({ code: 'backup-store' });
  expect(refusing.asked).toHaveLength(1);
});

// The store that the other tests use takes any signature.
test('requests are signed as S3 computes it', async () => {
  const { env, asked } = await answering((_, response) => response.end('<ListBucketResult/>'));
  const client = S3Client.of('bucket', env);
  await client.send({ method: 'GET', key: '', query: { 'list-type': '2', prefix: 'a b/+ü' } });
  await client.send({ method: 'POST', key: 'a b/c+d~ü.gz', query: { uploads: '' } });
  await client.send({
    method: 'PUT',
    key: 'plain',
    query: { partNumber: '1', uploadId: 'a/b=' },
    body: Buffer.from('part'),
  });
  expect(asked.map(({ signature }) => signature)).toEqual(asked.map(({ expected }) => expected));
  expect(asked[2]?.body).toBe('part');
});

test('an upload that a dead run has left is thrown away, where the store lets itself be asked', async () => {
  const left = (key: string) => `<Upload><Key>${key}</Key><UploadId>id-of-${key}</UploadId></Upload>`;
  const { env, asked } = await answering((request, response) => {
    const isQuestion = request.url?.includes('uploads=');
    response.end(
      isQuestion ? `<Uploads>${left('nightly/shop.paris.1')}${left('nightly/shop.lyon.1')}</Uploads>` : '<List/>',
    );
  });
  await openStore('s3://bucket/nightly', env).removeLeftovers({ database: 'shop', node: 'paris' });
  const dropped = asked.filter(({ method }) => method === 'DELETE').map(({ url }) => url);
  expect(dropped).toEqual(['/bucket/nightly/shop.paris.1?uploadId=id-of-nightly%2Fshop.paris.1']);
});

interface Asked {
  readonly method: string;
  readonly url: string;
  readonly body: string;
  readonly signature: string;
  readonly expected: string;
}

/** A server that answers as it is told, and what it has been asked. */
async function answering(answer: (request: IncomingMessage, response: ServerResponse, count: number) => void) {
  const asked: Asked[] = [];
  const server = createServer(async (request, response) => {
    const { method = '', url = '', headers } = request;
    const body = (await buffer(request)).toString();
    const signature = /Signature=([0-9a-f]+)/.exec(headers.authorization ?? '')?.[1] ?? '';
    asked.push({ method, url, body, signature, expected: expectedSignature(request, body) });
    answer(request, response, asked.length);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  const { port } = server.address() as AddressInfo;
  const credentials = { AWS_ACCESS_KEY_ID: 'a', AWS_SECRET_ACCESS_KEY: SECRET_KEY };
  return { asked, env: { ...credentials, AWS_ENDPOINT_URL: `http://127.0.0.1:${port}`, AWS_REGION: 'eu-west-3' } };
}

const SECRET_KEY = 'a secret key';

/** https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html */
function expectedSignature({ method, url = '', headers }: IncomingMessage, body: string): string {
  const [path, search = ''] = url.split('?');
  const names = /SignedHeaders=([^,]+)/.exec(headers.authorization ?? '')?.[1]?.split(';') ?? [];
  const strict = (text: string) =>
    encodeURIComponent(text).replaceAll(/[!'()*]/g, (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`);
  const query = [...new URLSearchParams(search)].map(([name, value]) => `${strict(name)}=${strict(value)}`).sort();
  const lines = names.map((name) => `${name}:${headers[name]}\n`).join('');
  const payload = headers['x-amz-content-sha256'];
  expect(payload).toBe(sha256(Buffer.from(body)));
  const request = [method, path, query.join('&'), lines, names.join(';'), payload].join('\n');
  const time = String(headers['x-amz-date']);
  const scope = `${time.slice(0, 8)}/eu-west-3/s3/aws4_request`;
  const text = ['AWS4-HMAC-SHA256', time, scope, sha256(Buffer.from(request))].join('\n');
  const hmac = (key: string | Buffer, data: string) => createHmac('sha256', key).update(data).digest();
  const key = scope.split('/').reduce<string | Buffer>(hmac, `AWS4${SECRET_KEY}`);
  return hmac(key, text).toString('hex');
}
