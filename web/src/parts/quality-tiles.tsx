import { formatDuration, formatNumber } from "../format.ts";
import { formatSpan } from "../history/zone.ts";
import { formatShare, measuresOf, messagesOf, toneOf } from "../quality/measures.ts";
import type { Figures } from "../quality/report.ts";
import { Tile } from "./tile.tsx";

/** The four measures and what came of the messages, over the whole stretch. */
export function QualityTiles(props: { total: Figures }) {
  const { total } = props;
  const { completeness, accuracy, timeliness } = measuresOf(total);
  const tone = (value: number | null) => {
    const found = toneOf(value);
    return found ? { tone: found } : {};
  };
  const messages = messagesOf(total);
  return (
    <div class="tiles">
      <Tile
        name="Complete"
        value={formatShare(completeness)}
        {...tone(completeness)}
        note={`${formatNumber(total.incomplete)} lacked something`}
      />
      <Tile
        name="Accurate"
        value={formatShare(accuracy)}
        {...tone(accuracy)}
        note={`${formatNumber(total.inaccurate)} broke a rule on values`}
      />
      <Tile
        name="Timely"
        value={formatShare(timeliness)}
        {...tone(timeliness)}
        note={total.delayMs === null ? "within a minute" : `${delay(total.delayMs)} on average`}
      />
      <Tile
        name="Fresh"
        value={total.freshnessMs === null ? "–" : formatDuration(total.freshnessMs).replace("now", "< 1 s")}
        note="since the newest reading"
      />
      <Tile name="Messages" value={formatNumber(messages)} note={`${formatNumber(total.duplicates)} sent twice`} />
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
