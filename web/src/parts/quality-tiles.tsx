import type { QualityFigures } from "../contract.ts";
import { formatDuration, formatNumber } from "../format.ts";
import { formatSpan } from "../history/zone.ts";
import { formatShare, toneOf } from "../quality/measures.ts";
import { Tile } from "./tile.tsx";

/** The four measures and what came of the messages, over the whole stretch. */
export function QualityTiles(props: { total: QualityFigures }) {
  const { total } = props;
  const { completeness, accuracy, timeliness, delaySeconds, freshnessSeconds, accepted, quarantined } = total;
  const tone = (value: number | null) => {
    const found = toneOf(value);
    return found ? { tone: found } : {};
  };
  const broken = (of: number | null) => formatNumber(Math.round((1 - (of ?? 1)) * (accepted + quarantined)));
  return (
    <div class="tiles">
      <Tile
        name="Complete"
        value={formatShare(completeness)}
        {...tone(completeness)}
        note={`${broken(completeness)} lacked something`}
      />
      <Tile
        name="Accurate"
        value={formatShare(accuracy)}
        {...tone(accuracy)}
        note={`${broken(accuracy)} with a value out of rule`}
      />
      <Tile
        name="Timely"
        value={formatShare(timeliness)}
        {...tone(timeliness)}
        note={delaySeconds === null ? "within a minute" : `${delay(delaySeconds.mean * 1000)} on average`}
      />
      <Tile
        name="Fresh"
        value={freshnessSeconds === null ? "–" : formatDuration(freshnessSeconds * 1000).replace("now", "< 1 s")}
        note="since the newest reading"
      />
      <Tile
        name="Messages"
        value={formatNumber(total.messages)}
        note={`${formatNumber(total.duplicates)} sent twice`}
      />
      <Tile
        name="Kept back"
        value={formatNumber(total.quarantined + total.refused)}
        note={`${formatNumber(total.quarantined)} in quarantine`}
        href="/dead-letters"
      />
    </div>
  );
}

function delay(ms: number): string {
  return ms < 1000 ? `${Math.round(ms)} ms` : formatSpan(ms);
}
