/** Where objects are, as plain data that can go from thread to thread. */
import { openObjectStore } from "./open.ts";
import type { ObjectStore } from "./port.ts";

export type StoreSettings = {
  /** "s3://bucket/prefix" or a folder. */
  readonly place: string;
  /** "": Amazon's own. */
  readonly endpoint: string;
  readonly region: string;
  /** "": whatever the AWS SDK finds. */
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
};

/** The options of it, as the tables name them. */
export type StoreConfig = {
  readonly s3Endpoint: string;
  readonly s3Region: string;
  readonly s3AccessKeyId: string;
  readonly s3SecretAccessKey: string;
};

export function storeSettingsOf(config: StoreConfig, place: string): StoreSettings {
  return {
    place,
    endpoint: config.s3Endpoint,
    region: config.s3Region,
    accessKeyId: config.s3AccessKeyId,
    secretAccessKey: config.s3SecretAccessKey,
  };
}

/** @throws PlaceUnreadable, StoreAway */
export function openStore({
  place,
  endpoint,
  region,
  accessKeyId,
  secretAccessKey,
}: StoreSettings): Promise<ObjectStore> {
  return openObjectStore(place, {
    region,
    ...(endpoint === "" ? {} : { endpoint }),
    ...(accessKeyId === "" ? {} : { credentials: { accessKeyId, secretAccessKey } }),
  });
}
