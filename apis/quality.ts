/** How good the data is: counts and four figures as time series, by device type, region and rule. */
import { createRoute, type OpenAPIHono, z } from "@hono/zod-openapi";
import {
  noCounts,
  type QualityCounts,
  type QualityFilter,
  type QualityStats,
  type RuleTotal,
  summed,
} from "../ports/quality-stats/port.ts";
import type { ApiEnv, ApiParts } from "./parts.ts";
import { Problem } from "./problem.ts";
import { answer, iso, Moment, parameters, plainText, problems, Timestamp } from "./route.ts";
import { rangeOf } from "./telemetry.ts";

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;

const intervals = {
  "1m": minuteMs,
  "5m": 5 * minuteMs,
  "15m": 15 * minuteMs,
  "1h": hourMs,
  "6h": 6 * hourMs,
  "1d": 24 * hourMs,
} as const;
type Interval = keyof typeof intervals;
const intervalNames = Object.keys(intervals) as [Interval, ...Interval[]];

/** Points that a caller who names no interval gets at most, and that anybody gets. */
const readablePoints = 300;
const maxPoints = 10_000;

const share = (description: string) =>
  z
    .number()
    .nullable()
    .openapi({ description: `0 to 1; ${description}` });

const figures = {
  messages: z.int().openapi({ description: "All that reached a twin: accepted, quarantined, refused, duplicates" }),
  accepted: z.int(),
  flagged: z.int().openapi({ description: "Of the accepted" }),
  quarantined: z.int(),
  refused: z.int().openapi({ description: "Dead letters for any other reason" }),
  duplicates: z.int(),
  readings: z.int().openapi({ description: "Of accepted messages" }),
  flaggedReadings: z.int(),
  completeness: share("accepted and quarantined messages in which nothing required was missing"),
  accuracy: share("accepted and quarantined messages with no value that broke a rule"),
  timeliness: share("accepted messages that came within 60 s of their own time"),
  delaySeconds: z
    .object({ mean: z.number(), max: z.number() })
    .nullable()
    .openapi({ description: "Our time minus the message's own, of accepted ones" }),
  newest: Timestamp.nullable().openapi({ description: "The newest reading's own time" }),
  freshnessSeconds: z.number().nullable().openapi({ description: "Its age at the end of the time shown, or now" }),
};

const aFigure = {
  ...{ messages: 1_012, accepted: 1_000, flagged: 3, quarantined: 2, refused: 4, duplicates: 6 },
  ...{ readings: 3_000, flaggedReadings: 3, completeness: 1, accuracy: 0.995, timeliness: 0.998 },
  ...{ delaySeconds: { mean: 0.4, max: 71.5 }, newest: "2026-11-21T11:59:59.000Z", freshnessSeconds: 1 },
};
const aRange = { from: "2026-11-21T11:00:00.000Z", to: "2026-11-21T12:00:00.000Z" };

const Quality = z
  .object({
    from: Timestamp,
    to: Timestamp,
    interval: z.enum(intervalNames).openapi({ description: "Of the points; hours at least where minutes are gone" }),
    intervalSeconds: z.int(),
    detail: z.string().nullable().openapi({ description: "Why there is nothing, if there is nothing" }),
    totals: z.object(figures),
    points: z
      .array(z.object({ ts: Timestamp, ...figures }))
      .openapi({ description: "Oldest first; intervals without messages are left out" }),
    groups: z.array(z.object({ type: z.string(), region: z.string(), ...figures })),
    rules: z
      .array(
        z.object({
          rule: z.string(),
          outcome: z.enum(["flagged", "quarantined", "refused"]),
          messages: z.int(),
          share: share("of all messages"),
          points: z.array(z.object({ ts: Timestamp, messages: z.int() })),
          groups: z.array(z.object({ type: z.string(), region: z.string(), messages: z.int() })),
        }),
      )
      .openapi({ description: "Those that were broken, most often first; of refused messages, the reasons" }),
  })
  .openapi("Quality", {
    example: {
      ...aRange,
      ...{ interval: "1h", intervalSeconds: 3_600, detail: null, totals: aFigure },
      points: [{ ts: aRange.from, ...aFigure }],
      groups: [{ type: "pump", region: "eu-north", ...aFigure }],
      rules: [
        {
          ...{ rule: "temperature-range", outcome: "flagged", messages: 3, share: 0.003 },
          points: [{ ts: aRange.from, messages: 3 }],
          groups: [{ type: "pump", region: "eu-north", messages: 3 }],
        },
      ],
    },
  });

const readQuality = createRoute({
  method: "get",
  path: "/v1/quality",
  tags: ["Quality"],
  summary: "How good the data is: completeness, accuracy, timeliness, freshness, and which rules were broken",
  request: {
    query: parameters({
      type: plainText(128).min(1).optional().openapi({ example: "pump" }),
      region: plainText(128).optional().openapi({ example: "eu-north" }),
      rule: plainText(64)
        .min(1)
        .optional()
        .openapi({ example: "temperature-range", description: "Only this one in `rules`; the figures are of all" }),
      from: Moment.optional().openapi({
        description: "When messages reached us, rounded down to an interval; by default a day before `to`",
      }),
      to: Moment.optional().openapi({ description: "Rounded up to an interval; by default now" }),
      interval: z.enum(intervalNames).optional().openapi({ description: "By default, what gives a readable chart" }),
    }),
  },
  responses: { 200: answer("The figures", Quality), ...problems() },
});

export function serveQuality(app: OpenAPIHono<ApiEnv>, { quality, now }: ApiParts): void {
  app.openapi(readQuality, async (c) => {
    const { type, region, rule, from, to, interval: asked } = c.req.valid("query");
    const range = rangeOf({ from, to }, now());
    const interval = await intervalFor(quality, range, asked);
    const intervalMs = intervals[interval];
    const fromMs = Math.floor(range.fromMs / intervalMs) * intervalMs;
    const toMs = Math.ceil(range.toMs / intervalMs) * intervalMs;
    const filter: QualityFilter = {
      ...{ fromMs, toMs },
      ...(type !== undefined && { type }),
      ...(region !== undefined && { region }),
      ...(rule !== undefined && { rule }),
    };
    const [buckets, groups, rules] = await Promise.all([
      quality.buckets(filter, intervalMs),
      quality.groups(filter),
      quality.rules(filter, intervalMs),
    ]);
    const endMs = Math.min(toMs, now());
    const totals = buckets.map(({ counts }) => counts).reduce(summed, noCounts);
    const view = {
      ...{ from: iso(fromMs), to: iso(toMs), interval, intervalSeconds: intervalMs / 1_000 },
      detail: buckets.length > 0 ? null : emptyWords(filter),
      totals: figuresOf(totals, endMs),
      points: buckets.map(({ startMs, counts }) => ({
        ts: iso(startMs),
        ...figuresOf(counts, Math.min(startMs + intervalMs, endMs)),
      })),
      groups: groups.map(({ type, region, counts }) => ({ type, region, ...figuresOf(counts, endMs) })),
      rules: rulesView(rules, messagesIn(totals)),
    };
    return c.json(view, 200);
  });
}

/** @throws Problem for more points than anybody can use */
async function intervalFor(
  quality: QualityStats,
  { fromMs, toMs }: { fromMs: number; toMs: number },
  asked: Interval | undefined,
): Promise<Interval> {
  const pointsOf = (interval: Interval) => Math.ceil((toMs - fromMs) / intervals[interval]);
  const hoursOnly = fromMs < (await quality.minutesFrom());
  const possible = intervalNames.filter((interval) => !hoursOnly || intervals[interval] >= hourMs);
  if (asked === undefined) return possible.find((interval) => pointsOf(interval) <= readablePoints) ?? "1d";
  const interval = possible.includes(asked) ? asked : "1h";
  if (pointsOf(interval) <= maxPoints) return interval;
  throw new Problem(
    "invalid-request",
    `query/interval: ${interval} gives ${pointsOf(interval)} points from ${iso(fromMs)} to ${iso(toMs)}; at most ${maxPoints} go in an answer. Take a longer interval, or a shorter range.`,
  );
}

function figuresOf(counts: QualityCounts, endMs: number) {
  const { accepted, flagged, quarantined, refused, duplicates, readings, flaggedReadings, newestMs } = counts;
  const judged = accepted + quarantined;
  return {
    ...{ messages: messagesIn(counts), accepted, flagged, quarantined, refused, duplicates, readings, flaggedReadings },
    completeness: judged === 0 ? null : 1 - counts.incomplete / judged,
    accuracy: judged === 0 ? null : 1 - counts.inaccurate / judged,
    timeliness: accepted === 0 ? null : counts.timely / accepted,
    delaySeconds:
      accepted === 0 ? null : { mean: counts.delaySumMs / accepted / 1_000, max: counts.delayMaxMs / 1_000 },
    newest: newestMs === 0 ? null : iso(newestMs),
    freshnessSeconds: newestMs === 0 ? null : Math.max(0, endMs - newestMs) / 1_000,
  };
}

function messagesIn({ accepted, quarantined, refused, duplicates }: QualityCounts): number {
  return accepted + quarantined + refused + duplicates;
}

function rulesView(totals: readonly RuleTotal[], allMessages: number): z.infer<typeof Quality>["rules"] {
  const rules = Map.groupBy(totals, ({ rule, outcome }) => `${outcome} ${rule}`);
  const views = [...rules.values()].map((of) => {
    const { rule, outcome } = of[0]!;
    const messages = added(of);
    const points = [...Map.groupBy(of, ({ startMs }) => startMs)].sort(([a], [b]) => a - b);
    const groups = [...Map.groupBy(of, ({ type, region }) => JSON.stringify([type, region])).values()];
    return {
      ...{ rule, outcome, messages, share: allMessages === 0 ? null : messages / allMessages },
      points: points.map(([startMs, each]) => ({ ts: iso(startMs), messages: added(each) })),
      groups: groups.map((each) => ({ type: each[0]!.type, region: each[0]!.region, messages: added(each) })),
    };
  });
  return views.sort((a, b) => b.messages - a.messages || (a.rule < b.rule ? -1 : 1));
}

function added(totals: readonly RuleTotal[]): number {
  return totals.reduce((sum, { messages }) => sum + messages, 0);
}

function emptyWords({ type, region, fromMs, toMs }: QualityFilter): string {
  const ofWhat = [
    ...(type === undefined ? [] : [`of type "${type}"`]),
    ...(region === undefined ? [] : [`in region "${region}"`]),
  ].join(" ");
  return `No message ${ofWhat === "" ? "" : `of a device ${ofWhat} `}reached us from ${iso(fromMs)} to ${iso(toMs)}.`;
}
