/**
 * The few calls of S3 that backups need, to any store that speaks it
 * (https://docs.aws.amazon.com/AmazonS3/latest/API/Welcome.html). Credentials and address come from the environment
 * alone, by the names that other tools know: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, AWS_REGION,
 * AWS_ENDPOINT_URL_S3.
 */
import { createHash } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { AwsClient } from 'aws4fetch';
import { SqlsyncError } from '../../errors.js';
import { isLoopback } from '../../listen-address.js';

export type Environment = Readonly<Record<string, string | undefined>>;

export interface S3Request {
  readonly method: 'GET' | 'PUT' | 'POST' | 'DELETE';
  /** Empty: the bucket itself. */
  readonly key: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly body?: Buffer;
  /** Answers that the caller makes something of, beside those of success. */
  readonly statuses?: readonly number[];
}

const TRIES_MAX = 4;
const RETRY_MS_MIN = 200;
/** Between the pieces of an answer nobody is waited for longer; a part of 32 MiB has this time to go up. */
const ANSWER_MS_MAX = 300_000;
const ERROR_CHARS_MAX = 10_000;

const isPassing = (status: number): boolean => status === 429 || status === 500 || (status > 501 && status < 505);

export class S3Client {
  private constructor(
    private readonly signer: AwsClient,
    private readonly bucketUrl: string,
    private readonly bucket: string,
  ) {}

  /** Throws backup-store without credentials, and for an address that would be spoken to in the clear. */
  static of(bucket: string, env: Environment): S3Client {
    const {
      AWS_ACCESS_KEY_ID: accessKeyId,
      AWS_SECRET_ACCESS_KEY: secretAccessKey,
      AWS_SESSION_TOKEN: sessionToken,
    } = env;
    if (!accessKeyId || !secretAccessKey) {
      throw new SqlsyncError('backup-store', `no credentials for s3://${bucket}`, {
        hint: 'set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY where sqlsync runs; for the daemon in its unit’s environment',
      });
    }
    const region = env.AWS_REGION || env.AWS_DEFAULT_REGION || 'us-east-1';
    const endpoint = env.AWS_ENDPOINT_URL_S3 || env.AWS_ENDPOINT_URL || `https://s3.${region}.amazonaws.com`;
    const signer = new AwsClient({
      accessKeyId,
      secretAccessKey,
      ...(sessionToken && { sessionToken }),
      service: 's3',
      region,
    });
    return new S3Client(signer, `${safeEndpoint(endpoint)}/${bucket}`, bucket);
  }

  /** Throws backup-store when it is refused, or not to be had after some tries. */
  async send(request: S3Request): Promise<Response> {
    for (let tries = 1; ; tries += 1) {
      const answer = await this.sendOnce(request);
      const isLast = tries === TRIES_MAX;
      if (answer instanceof Response) {
        if (answer.ok || request.statuses?.includes(answer.status)) return answer;
        if (isLast || !isPassing(answer.status)) throw await this.refused(request, answer);
        await answer.body?.cancel();
      } else if (isLast) throw this.unreachable(answer);
      await delay(RETRY_MS_MIN * 2 ** tries);
    }
  }

  private async sendOnce({ method, key, query = {}, body }: S3Request): Promise<Response | Error> {
    const path = key === '' ? '' : `/${key.split('/').map(encodeURIComponent).join('/')}`;
    const search = new URLSearchParams(query).toString();
    const sha256 = createHash('sha256')
      .update(body ?? '')
      .digest('hex');
    const signed = await this.signer.sign(`${this.bucketUrl}${path}${search === '' ? '' : `?${search}`}`, {
      method,
      headers: { 'x-amz-content-sha256': sha256 },
      ...(body && { body }),
    });
    try {
      return await fetch(signed, { signal: AbortSignal.timeout(ANSWER_MS_MAX) });
    } catch (error) {
      return error as Error;
    }
  }

  private async refused({ method, key }: S3Request, answer: Response): Promise<SqlsyncError> {
    const text = (await answer.text().catch(() => '')).slice(0, ERROR_CHARS_MAX);
    const why = [tagIn(text, 'Code'), tagIn(text, 'Message')].filter((part) => part !== null).join(': ');
    return new SqlsyncError(
      'backup-store',
      `s3://${this.bucket}/${key}: ${method} is answered ${answer.status} ${why}`.trim(),
      {
        hint: 'see the bucket’s name, AWS_REGION, AWS_ENDPOINT_URL_S3 and what the credentials allow',
      },
    );
  }

  private unreachable(cause: Error): SqlsyncError {
    const { cause: deeper } = cause as { readonly cause?: Error };
    return new SqlsyncError('backup-store', `s3://${this.bucket} cannot be reached: ${(deeper ?? cause).message}`, {
      hint: 'see AWS_ENDPOINT_URL_S3, AWS_REGION and the network',
      cause,
    });
  }
}

/** The text of the first element of this name; null: there is none. Enough for what S3 answers. */
export function tagIn(xml: string, name: string): string | null {
  const text = new RegExp(`<${name}>([^<]*)</${name}>`).exec(xml)?.[1];
  return text === undefined ? null : unescapeXml(text);
}

/** The contents of all elements of this name. */
export function elementsIn(xml: string, name: string): string[] {
  return [...xml.matchAll(new RegExp(`<${name}>(.*?)</${name}>`, 'gs'))].map(([, text = '']) => text);
}

const ENTITIES: Readonly<Record<string, string>> = { lt: '<', gt: '>', quot: '"', apos: "'", amp: '&' };

function unescapeXml(text: string): string {
  return text
    .replaceAll(/&#x([0-9a-f]+);/gi, (_, hex: string) => String.fromCodePoint(Number.parseInt(hex, 16)))
    .replaceAll(/&#(\d+);/g, (_, digits: string) => String.fromCodePoint(Number(digits)))
    .replaceAll(/&(lt|gt|quot|apos|amp);/g, (_, name: string) => ENTITIES[name] ?? '');
}

function safeEndpoint(endpoint: string): string {
  const url = URL.canParse(endpoint) ? new URL(endpoint) : null;
  if (url !== null && (url.protocol === 'https:' || (url.protocol === 'http:' && isLoopback(url.hostname)))) {
    return endpoint.replace(/\/+$/, '');
  }
  throw new SqlsyncError('backup-store', `${endpoint} is no address of an object store: it must be https`, {
    hint: 'AWS_ENDPOINT_URL_S3=https://HOST; http goes to loopback only, since backups would travel in the clear',
  });
}
