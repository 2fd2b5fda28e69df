import { connectAsync } from "mqtt";
import type { RecordedSeries } from "./recorded-series.ts";

export type PlayOptions = {
  readonly mqttUrl: string;
  readonly device: string;
  readonly token: string | undefined;
  readonly metric: string;
  /** How many times faster than recorded: 3600 plays an hour in a second. */
  readonly speed: number;
  readonly say: (line: string) => void;
  readonly stopped: () => boolean;
};

/** Most messages under way at once: a playback far ahead of the acknowledgements waits for them. */
const mostOpen = 200;

/** Plays a recorded series as one device, in its order and rhythm; resolves with the number of rows acknowledged. */
export async function play(series: RecordedSeries, options: PlayOptions): Promise<number> {
  const { device, metric, speed, say } = options;
  const { readings, id } = series;
  const client = await connectAsync(options.mqttUrl, {
    clientId: device,
    username: device,
    ...(options.token === undefined ? {} : { password: options.token }),
    clean: false,
  });
  const topic = `devices/${device}/telemetry`;
  const open = new Set<Promise<void>>();
  let acknowledged = 0;
  const startedAt = performance.now();
  let toldAt = startedAt;
  const firstMs = readings[0]?.tsMs ?? 0;
  for (const [seq, { tsMs, value }] of readings.entries()) {
    if (options.stopped()) break;
    const dueInMs = (tsMs - firstMs) / speed - (performance.now() - startedAt);
    if (dueInMs > 1) await new Promise((resolve) => setTimeout(resolve, dueInMs));
    while (open.size >= mostOpen) await Promise.race(open);
    const payload = JSON.stringify({ ts: tsMs, seq, boot: id, readings: { [metric]: value } });
    const sent = client.publishAsync(topic, payload, { qos: 1 }).then(() => {
      acknowledged += 1;
      open.delete(sent);
    });
    open.add(sent);
    if (performance.now() - toldAt > 1_000) {
      toldAt = performance.now();
      say(
        `${seq + 1} of ${readings.length} rows sent, ${acknowledged} acknowledged, at ${new Date(tsMs).toISOString()}`,
      );
    }
  }
  await Promise.all(open);
  await client.endAsync();
  return acknowledged;
}
