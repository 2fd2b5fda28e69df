import { Interned } from "../interned.ts";

/** What the registry knows of a device: what it is and where it stands. */
export type Registration = {
  /** Device type: names the policy and the schema that apply; "default" if none was given. */
  readonly type: string;
  /** Region for counting and subscribing; "" if none. */
  readonly region: string;
  /** A place in words, or null. Coordinates are `latitude` and `longitude`, degrees, WGS 84. */
  readonly location: Location | null;
  readonly tags: Readonly<Record<string, string>>;
  readonly firmwareVersion: string | null;
  readonly createdAtMs: number;
};

export type Location = { readonly name?: string; readonly latitude?: number; readonly longitude?: number };

/** A change to a registration: what is absent stays; a tag set to null goes. */
export type RegistrationPatch = {
  readonly type?: string;
  readonly region?: string;
  readonly location?: Location | null;
  readonly tags?: Readonly<Record<string, string | null>>;
  readonly firmwareVersion?: string | null;
};

/** Device ids are AWS thing names: 1 to 128 of `[a-zA-Z0-9:_-]` (AWS IoT API reference, CreateThing). */
export const deviceIdPattern = /^[a-zA-Z0-9:_-]{1,128}$/;

/** One for all devices without tags. */
const noTags: Registration["tags"] = {};

/** The registration after `patch`, made at `nowMs` if there was none. */
export function register(current: Registration | null, patch: RegistrationPatch, nowMs: number): Registration {
  const base: Registration = current ?? {
    type: "default",
    region: "",
    location: null,
    tags: noTags,
    firmwareVersion: null,
    createdAtMs: nowMs,
  };
  const tags = new Map(Object.entries(base.tags));
  for (const [name, value] of Object.entries(patch.tags ?? {})) {
    if (value === null) tags.delete(name);
    else tags.set(name, value);
  }
  return {
    type: patch.type ?? base.type,
    region: patch.region ?? base.region,
    location: patch.location === undefined ? base.location : patch.location,
    tags: Object.fromEntries(tags),
    firmwareVersion: patch.firmwareVersion === undefined ? base.firmwareVersion : patch.firmwareVersion,
    createdAtMs: base.createdAtMs,
  };
}

/** Type and region as records carry them: absent where they are "default" and "", or the device is not registered. */
export type Origin = { readonly type?: string; readonly region?: string };

export function originOf(registration: Registration | null): Origin {
  if (registration === null) return noOrigin;
  const { type, region } = registration;
  if (type === "default") return region === "" ? noOrigin : { region };
  return region === "" ? { type } : { type, region };
}

const noOrigin: Origin = {};

const words = new Interned<string>(10_000);

/** An equal registration that shares with others what many have in common: a million are in memory. */
export function compact({ type, region, location, tags, firmwareVersion, createdAtMs }: Registration): Registration {
  return {
    type: words.of(type, type),
    region: words.of(region, region),
    location,
    tags: Object.keys(tags).length === 0 ? noTags : tags,
    firmwareVersion: firmwareVersion === null ? null : words.of(firmwareVersion, firmwareVersion),
    createdAtMs,
  };
}
