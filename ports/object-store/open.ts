import { openFolderStore } from "./folder.ts";
import type { ObjectStore } from "./port.ts";
import type { S3Options } from "./s3.ts";

/** The place is written wrongly. */
export class PlaceUnreadable extends Error {
  override readonly name = "PlaceUnreadable";
  readonly code = "PLACE_UNREADABLE";
  readonly retry = "never";
}

/** @param place "s3://bucket", "s3://bucket/prefix", or a folder. @throws PlaceUnreadable, StoreAway */
export async function openObjectStore(place: string, options: S3Options = {}): Promise<ObjectStore> {
  if (!/^[a-z][a-z0-9+.-]+:\/\//i.test(place)) return await openFolderStore(place);
  // S3 User Guide, "Bucket naming rules": 3–63 of lower-case letters, digits, points and hyphens.
  const [, bucket, prefix = ""] = /^s3:\/\/([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:\/(.*?))?\/*$/.exec(place) ?? [];
  if (bucket === undefined) {
    throw new PlaceUnreadable(`"${place}" is no place for objects. Give s3://bucket/prefix, or a folder.`);
  }
  // The SDK takes longer to load than all else of a start: only where there is a bucket.
  const { openS3Store } = await import("./s3.ts");
  return openS3Store(bucket, prefix, options);
}
