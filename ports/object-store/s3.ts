/**
 * Objects in a bucket of S3 or of a server that speaks like it. What fails for a moment is tried again, a few times and
 * for a bounded time; what still fails is `StoreAway`.
 *
 * On a server of one's own (`endpoint`) the bucket is made by the first put.
 *
 * A put whose answer was lost and that is tried again finds its own object: it says "exists", as O2 allows.
 */
import {
  CreateBucketCommand,
  DeleteObjectCommand,
  GetBucketLifecycleConfigurationCommand,
  GetObjectCommand,
  HeadObjectCommand,
  type LifecycleRule,
  ListObjectsV2Command,
  PutBucketLifecycleConfigurationCommand,
  PutObjectCommand,
  S3Client,
} from "@aws-sdk/client-s3";
import { checkKey } from "./key.ts";
import { ObjectMissing, type ObjectStore, StoreAway } from "./port.ts";

export type S3Options = {
  /** "http://127.0.0.1:9000"; absent: Amazon's own, by region. */
  readonly endpoint?: string;
  /** "us-east-1" */
  readonly region?: string;
  /** Absent: as the SDK finds them (environment, profile, role of the machine). */
  readonly credentials?: { readonly accessKeyId: string; readonly secretAccessKey: string };
  /** To connect, and of silence within a request; 10 s. */
  readonly timeoutMs?: number;
  /** Of each request, the first among them; 3. */
  readonly attempts?: number;
};

type Failure = Error & { $metadata?: { httpStatusCode?: number } };

/** Nothing is asked of the server yet. @param prefix "" or "a/b": before every key */
export function openS3Store(bucket: string, prefix: string, options: S3Options = {}): ObjectStore {
  const before = prefix === "" ? "" : `${checkKey(prefix)}/`;
  const place = `s3://${bucket}${prefix === "" ? "" : `/${prefix}`}`;
  const timeoutMs = options.timeoutMs ?? 10_000;
  const client = new S3Client({
    region: options.region ?? "us-east-1",
    ...(options.endpoint === undefined ? {} : { endpoint: options.endpoint, forcePathStyle: true }),
    ...(options.credentials === undefined ? {} : { credentials: options.credentials }),
    maxAttempts: options.attempts ?? 3,
    requestHandler: {
      connectionTimeout: timeoutMs,
      socketTimeout: timeoutMs,
      requestTimeout: timeoutMs,
      throwOnRequestTimeout: true,
    },
    // The newer checksums in trailers are unknown to many a server; signatures cover the body anyway.
    requestChecksumCalculation: "WHEN_REQUIRED",
    responseChecksumValidation: "WHEN_REQUIRED",
  });
  const named = (key: string) => ({ Bucket: bucket, Key: before + checkKey(key) });

  /** A server of one's own begins without buckets; Amazon's have settings that are not ours to choose. */
  async function inBucket<T>(send: () => Promise<T>): Promise<T> {
    try {
      return await send();
    } catch (error) {
      if (options.endpoint === undefined || (error as Error).name !== "NoSuchBucket") throw error;
      await client.send(new CreateBucketCommand({ Bucket: bucket })).catch((failure: Error) => {
        if (failure.name !== "BucketAlreadyOwnedByYou") throw failure; // by another process, in this moment
      });
      return await send();
    }
  }

  async function size(key: string): Promise<number | null> {
    try {
      return (await client.send(new HeadObjectCommand(named(key)))).ContentLength ?? 0;
    } catch (error) {
      if (statusOf(error) === 404 && (error as Error).name !== "NoSuchBucket") return null;
      throw away(place, `look for ${key}`, error);
    }
  }

  async function read(key: string, range?: string): Promise<Uint8Array> {
    try {
      const { Body } = await client.send(new GetObjectCommand({ ...named(key), ...(range ? { Range: range } : {}) }));
      return Body === undefined ? new Uint8Array(0) : await Body.transformToByteArray();
    } catch (error) {
      if ((error as Error).name === "NoSuchKey") throw new ObjectMissing(place, key);
      if (statusOf(error) === 416) return new Uint8Array(0); // begins after the object's end
      throw away(place, `read ${key}`, error);
    }
  }

  async function* listed(under: string) {
    let token: string | undefined;
    do {
      const page = await client
        .send(
          new ListObjectsV2Command({
            ...{ Bucket: bucket, Prefix: before + under },
            ...(token === undefined ? {} : { ContinuationToken: token }),
          }),
        )
        .catch((error) => {
          throw away(place, "list its objects", error);
        });
      for (const { Key = "", Size = 0 } of page.Contents ?? []) yield { key: Key.slice(before.length), bytes: Size };
      token = page.IsTruncated ? page.NextContinuationToken : undefined;
    } while (token !== undefined);
  }

  return {
    place,
    async put(key, body) {
      try {
        await inBucket(() => client.send(new PutObjectCommand({ ...named(key), Body: body, IfNoneMatch: "*" })));
        return "stored";
      } catch (error) {
        if (statusOf(error) === 412) return "exists";
        // Another writer is, or was, at it in this moment: only its success makes it ours to leave.
        if (statusOf(error) === 409 && (await size(key)) !== null) return "exists";
        throw away(place, `store ${key}`, error);
      }
    },
    async replace(key, body) {
      await inBucket(() => client.send(new PutObjectCommand({ ...named(key), Body: body }))).catch((error) => {
        throw away(place, `store ${key}`, error);
      });
    },
    get: (key) => read(key),
    getRange: async (key, start, end) =>
      end <= start ? new Uint8Array(0) : await read(key, `bytes=${start}-${end - 1}`),
    size,
    async delete(key) {
      await client.send(new DeleteObjectCommand(named(key))).catch((error) => {
        if (statusOf(error) !== 404 || error.name === "NoSuchBucket") throw away(place, `delete ${key}`, error);
      });
    },
    list: listed,
    async setLifecycle(under, days) {
      try {
        await setRule(client, bucket, before + under, days);
        return { kind: "set" };
      } catch (error) {
        const status = statusOf(error);
        if (status === undefined || (status >= 500 && status !== 501)) {
          throw away(place, "set its lifecycle", error);
        }
        return { kind: "unsupported", detail: `${place} does not take lifecycle rules: ${words(error)}` };
      }
    },
    async close() {
      client.destroy();
    },
  };
}

/** The bucket has one list of rules, other people's among them: ours alone is changed. */
async function setRule(client: S3Client, bucket: string, prefix: string, days: number | null): Promise<void> {
  const id = `doppel ${prefix}`;
  const rules = await rulesOf(client, bucket);
  const others = rules.filter((rule) => rule.ID !== id);
  if (days === null && others.length === rules.length) return;
  const ours: LifecycleRule[] =
    days === null ? [] : [{ ID: id, Status: "Enabled", Filter: { Prefix: prefix }, Expiration: { Days: days } }];
  const LifecycleConfiguration = { Rules: [...others, ...ours] };
  await client.send(new PutBucketLifecycleConfigurationCommand({ Bucket: bucket, LifecycleConfiguration }));
}

async function rulesOf(client: S3Client, bucket: string): Promise<LifecycleRule[]> {
  try {
    return (await client.send(new GetBucketLifecycleConfigurationCommand({ Bucket: bucket }))).Rules ?? [];
  } catch (error) {
    if ((error as Error).name === "NoSuchLifecycleConfiguration") return [];
    throw error;
  }
}

const statusOf = (error: unknown): number | undefined => (error as Failure).$metadata?.httpStatusCode;

/** "AccessDenied, 403: Access Denied" */
function words(error: unknown): string {
  const { name, message } = error as Failure;
  const status = statusOf(error);
  return `${name}${status === undefined ? "" : `, ${status}`}: ${message}`;
}

function away(place: string, what: string, error: unknown): StoreAway {
  const { name } = error as Failure;
  const status = statusOf(error);
  let hint = "It is tried again.";
  if (name === "NoSuchBucket") hint = "Make the bucket.";
  else if (name === "CredentialsProviderError") hint = "Set the access key and its secret.";
  else if (status === 401 || status === 403) hint = "Check the access key, its secret, and what it may do.";
  return new StoreAway(`${place} cannot ${what} (${words(error)}). ${hint}`, { cause: error });
}
