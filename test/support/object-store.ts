/** An object store on this machine that speaks S3, with a bucket; gone when the test is over. */
import { onTestFinished } from 'vitest';
import { makeFolder } from './make-folder.js';

interface S3rver {
  run(): Promise<{ readonly port: number }>;
  close(): Promise<void>;
}

export const BUCKET = 'backups';

/** The environment in which it is found. */
export type ObjectStoreEnvironment = Readonly<
  Record<'AWS_ACCESS_KEY_ID' | 'AWS_SECRET_ACCESS_KEY' | 'AWS_ENDPOINT_URL_S3' | 'AWS_REGION', string>
>;

export async function startObjectStore(): Promise<ObjectStoreEnvironment> {
  // @ts-expect-error: it brings no types
  const imported: { readonly default: new (options: object) => S3rver } = await import('s3rver');
  const options = { port: 0, address: '127.0.0.1', silent: true, directory: makeFolder() };
  const server = new imported.default({ ...options, configureBuckets: [{ name: BUCKET, configs: [] }] });
  const { port } = await server.run();
  onTestFinished(() => server.close());
  return {
    AWS_ACCESS_KEY_ID: 'S3RVER',
    AWS_SECRET_ACCESS_KEY: 'S3RVER',
    AWS_ENDPOINT_URL_S3: `http://127.0.0.1:${port}`,
    AWS_REGION: 'us-east-1',
  };
}
