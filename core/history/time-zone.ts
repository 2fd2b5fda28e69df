/** Days of a time zone. Pure: Intl knows the zones (IANA). */

const dayMs = 86_400_000;

export type Zone = {
  /** As Intl writes it. */
  readonly name: string;
  readonly isUtc: boolean;
  /** The local date at that time, as days since 1970-01-01. */
  dayNumber(atMs: number): number;
  /** Local time minus UTC, ms. */
  offsetMs(atMs: number): number;
};

/** A name that Intl does not know. */
export class UnknownTimeZone extends Error {
  override readonly name = "UnknownTimeZone";
  readonly code = "UNKNOWN_TIME_ZONE";
  readonly retry = "never";
}

const zones = new Map<string, Zone>();

/** @throws UnknownTimeZone */
export function zoneOf(name: string): Zone {
  const known = zones.get(name);
  if (known !== undefined) return known;
  let format: Intl.DateTimeFormat;
  try {
    format = new Intl.DateTimeFormat("en-US", {
      timeZone: name,
      hourCycle: "h23",
      ...{ year: "numeric", month: "numeric", day: "numeric", hour: "numeric", minute: "numeric", second: "numeric" },
    });
  } catch {
    throw new UnknownTimeZone(
      `There is no time zone ${JSON.stringify(name)}. Give an IANA name such as Europe/Berlin.`,
    );
  }
  const canonical = format.resolvedOptions().timeZone;
  const offsetMs = (atMs: number) => {
    const wholeMs = Math.floor(atMs / 1_000) * 1_000;
    const part: Record<string, number> = {};
    for (const { type, value } of format.formatToParts(wholeMs)) part[type] = Number(value);
    const { year, month, day, hour, minute, second } = part as Record<string, number>;
    return Date.UTC(year!, month! - 1, day!, hour!, minute!, second!) - wholeMs;
  };
  const zone: Zone = {
    name: canonical,
    isUtc: canonical === "UTC" || canonical === "Etc/UTC",
    offsetMs,
    dayNumber: (atMs) => Math.floor((atMs + offsetMs(atMs)) / dayMs),
  };
  // Names come in many spellings: only those that Intl itself writes are kept, and it has some hundreds.
  if (name === canonical) zones.set(name, zone);
  return zone;
}

/** When the local date (days since 1970-01-01) begins, epoch ms: midnight, or where clocks skip it the moment after. */
export function startOfDayNumber(zone: Zone, dayNumber: number): number {
  const midnight = dayNumber * dayMs;
  const guess = midnight - zone.offsetMs(midnight - zone.offsetMs(midnight));
  if (zone.dayNumber(guess) >= dayNumber && zone.dayNumber(guess - 1) < dayNumber) return guess;
  let before = midnight - 36 * 3_600_000;
  let after = midnight + 36 * 3_600_000;
  while (after - before > 1) {
    const middle = Math.floor((before + after) / 2);
    if (zone.dayNumber(middle) >= dayNumber) after = middle;
    else before = middle;
  }
  return after;
}
