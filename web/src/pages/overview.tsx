import "../style/fleet.css";
import type { Stats } from "../contract.ts";
import { rates, stats, useFleetStats } from "../fleet.ts";
import { formatNumber, formatWords } from "../format.ts";
import { FirstDevice } from "../parts/first-device.tsx";
import { lazy } from "../parts/lazy.tsx";
import { ProblemBox } from "../parts/problem-box.tsx";
import { RecentEvents } from "../parts/recent-events.tsx";
import { RegionTable } from "../parts/region-table.tsx";
import { Sparkline } from "../parts/sparkline.tsx";
import { Tile } from "../parts/tile.tsx";
import { useTitle } from "../parts/use-title.ts";

const FleetMap = lazy(() => import("../parts/fleet-map.tsx").then((part) => part.FleetMap));

export function Overview() {
  useTitle("Fleet");
  const first = useFleetStats();
  const fleet = stats.value;
  return (
    <>
      <h1 class="visually-hidden">Fleet</h1>
      {first.problem && <ProblemBox problem={first.problem} onRetry={first.reload} />}
      <Tiles fleet={fleet} />
      {fleet?.devices === 0 ? (
        <FirstDevice />
      ) : (
        <>
          <div class="columns map-and-regions">
            <section class="panel" aria-label="Map">
              <header>
                <h2>Where they are</h2>
                <Key />
              </header>
              <FleetMap />
            </section>
            <section class="panel" aria-label="Regions">
              <header>
                <h2>Regions</h2>
                {fleet && <span class="quiet">{formatNumber(fleet.regions.length)}</span>}
              </header>
              {fleet && <RegionTable regions={fleet.regions} />}
            </section>
          </div>
          <RecentEvents />
        </>
      )}
    </>
  );
}

function Tiles(props: { fleet: Stats | null }) {
  const { fleet } = props;
  const number = (value: number | undefined | null) =>
    value === undefined || value === null ? "–" : formatNumber(value);
  const letters = Object.entries(fleet?.deadLetters ?? {}).sort((a, b) => b[1] - a[1]);
  const [behind] = Object.entries(fleet?.sinkLag ?? {}).sort((a, b) => b[1] - a[1]);
  const share = fleet && fleet.devices > 0 ? `${Math.round((fleet.online / fleet.devices) * 100)} % of ` : "of ";
  return (
    <div class="tiles">
      <Tile
        name="Online"
        tone="online"
        value={number(fleet?.online)}
        href="/devices?status=online"
        note={fleet ? `${share}${formatNumber(fleet.devices)} devices` : ""}
      />
      <Tile name="Offline" tone="offline" value={number(fleet?.offline)} href="/devices?status=offline" />
      <Tile name="Flapping" tone="flapping" value={number(fleet?.flapping)} href="/devices?flapping=true" />
      <Tile name="Messages" value={number(fleet && atHundred(fleet.messagesPerSecond))} unit="/s">
        <Sparkline values={rates.value} slots={90} />
      </Tile>
      <Tile
        name="Dead letters"
        {...(letters.length > 0 ? { tone: "bad" as const } : {})}
        value={number(fleet ? letters.reduce((sum, [, count]) => sum + count, 0) : undefined)}
        href="/dead-letters"
        note={letters[0] ? `mostly ${formatWords(letters[0][0])}` : ""}
      />
      <Tile
        name="Sink lag"
        value={number(behind?.[1])}
        unit="records"
        note={behind && behind[1] > 0 ? `${behind[0]} is furthest behind` : ""}
      />
    </div>
  );
}

/** Above a hundred the decimals only flicker. */
function atHundred(rate: number): number {
  return rate >= 100 ? Math.round(rate) : rate;
}

function Key() {
  return (
    <span class="key">
      <span class="badge online">
        <i aria-hidden="true" />
        Online
      </span>
      <span class="badge offline">
        <i aria-hidden="true" />
        Offline
      </span>
    </span>
  );
}
