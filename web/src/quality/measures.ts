import { formatNumber } from "../format.ts";

/** Messages counted by what quality rules made of them; as `GET /v1/quality` has it, with times in ms. */
export type Counts = {
  /** Flagged ones among them. */
  accepted: number;
  flagged: number;
  quarantined: number;
  refused: number;
  duplicates: number;
  incomplete: number;
  inaccurate: number;
  timely: number;
};

/** Shares from 0 to 1; null where there was nothing to judge. */
export type Measures = { completeness: number | null; accuracy: number | null; timeliness: number | null };

/** Complete and accurate are shares of what was judged, timely of what was accepted. */
export function measuresOf({ accepted, quarantined, incomplete, inaccurate, timely }: Counts): Measures {
  const judged = accepted + quarantined;
  return {
    completeness: share(judged - incomplete, judged),
    accuracy: share(judged - inaccurate, judged),
    timeliness: share(timely, accepted),
  };
}

/** All that reached a twin. */
export function messagesOf({ accepted, quarantined, refused, duplicates }: Counts): number {
  return accepted + quarantined + refused + duplicates;
}

/** "99.97 %", never rounded up to what it is not: only all is "100 %". */
export function formatShare(value: number | null): string {
  if (value === null || Number.isNaN(value)) return "–";
  const percent = value * 100;
  if (percent >= 100) return "100 %";
  if (percent > 99) return `${formatNumber(Math.min(99.99, Math.floor(percent * 100) / 100))} %`;
  if (percent > 0 && percent < 0.1) return "<0.1 %";
  return `${formatNumber(Math.round(percent * 10) / 10)} %`;
}

/** How one should look at a share: well, worth a look, bad. */
export function toneOf(value: number | null): "online" | "flapping" | "bad" | undefined {
  if (value === null) return undefined;
  return value >= 0.99 ? "online" : value >= 0.95 ? "flapping" : "bad";
}

function share(part: number, whole: number): number | null {
  return whole === 0 ? null : Math.max(0, part) / whole;
}
