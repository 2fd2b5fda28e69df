/**
 * The latest value and running statistics of every metric of a twin. Leaves windows over history to the time series.
 *
 * A million twins are held in memory, so their metrics are packed. As an object, each metric would take a header and
 * seven numbers that the engine boxes apart: 190 bytes. Here all of them lie unboxed in one array, 48 bytes each and 16
 * for the times, which metrics have in common that one message brought; and twins that send the same metrics share one
 * list of names. Nobody outside this file looks at the packing.
 *
 * M1 The statistics are O(1) per reading (Welford), and count numbers only.
 * M2 Metrics are a value: `observe` leaves the old ones as they were.
 */
import { Interned } from "../interned.ts";
import type { Readings, ReadingValue } from "./telemetry.ts";

export type Metrics = {
  /** In the order in which they first came. */
  readonly names: readonly string[];
  /**
   * For each name a row of `width` numbers; behind the rows ts and receivedAt, once if the newest message brought every
   * metric, else for each name. Numbers only, or the engine would box them all.
   */
  readonly numbers: readonly number[];
  /** At the name's place the latest value if that is no number, else null; as long as needed. */
  readonly words: readonly (boolean | string | null)[];
};

/** Latest value of a metric, and statistics of its numbers since the twin was made. Times are epoch ms. */
export type MetricState = {
  readonly value: ReadingValue;
  readonly tsMs: number;
  readonly receivedAtMs: number;
  /** Readings counted into the statistics. */
  readonly count: number;
  readonly mean: number;
  /** Sum of squared differences from the mean; variance = m2 / count. */
  readonly m2: number;
  readonly min: number;
  readonly max: number;
};

export const noMetrics: Metrics = { names: [], numbers: [], words: [] };

/** Different metric names that one twin keeps: a device that makes up names must not grow without bound. */
export const maxMetrics = 512;

const width = 6;
// Places in a row.
const value = 0;
const count = 1;
const mean = 2;
const m2 = 3;
const min = 4;
const max = 5;

/** The metrics after one more message. An older reading counts into the statistics but is not the latest. */
export function observe(metrics: Metrics, readings: Readings, tsMs: number, receivedAtMs: number): Metrics {
  const before = withNamesOf(metrics, readings);
  const { names } = before;
  const together = Object.keys(readings).length === names.length && tsMs >= newestTs(before);
  const numbers = together ? inOneTime(before, tsMs, receivedAtMs) : inTheirTimes(before);
  let { words } = before;
  let place = 0;
  for (const name in readings) {
    if (names[place] !== name) place = names.indexOf(name); // A device says them in the same order each time.
    const reading = readings[name]!;
    const row = place * width;
    const time = names.length * width + place * 2;
    if (together || tsMs >= numbers[time]!) {
      numbers[row + value] = typeof reading === "number" ? reading : 0;
      words = withWord(words, place, typeof reading === "number" ? null : reading);
      if (!together) {
        numbers[time] = tsMs;
        numbers[time + 1] = receivedAtMs;
      }
    }
    if (typeof reading === "number") countIn(numbers, row, reading);
    place += 1;
  }
  return { names, numbers, words };
}

export function metricNames(metrics: Metrics): readonly string[] {
  return metrics.names;
}

export function latestOf(metrics: Metrics, name: string): MetricState | undefined {
  const place = metrics.names.indexOf(name);
  return place < 0 ? undefined : stateAt(metrics, place);
}

/** Where the metric lies, for `valueAt` and `tsAt`: they make nothing. −1 if it never came. */
export function placeOf(metrics: Metrics, name: string): number {
  return metrics.names.indexOf(name);
}

/** The latest value of the metric at `place`. */
export function valueAt({ numbers, words }: Metrics, place: number): ReadingValue {
  return words[place] ?? numbers[place * width + value]!;
}

/** The time of the latest value of the metric at `place`, epoch ms by the device. */
export function tsAt(metrics: Metrics, place: number): number {
  return metrics.numbers[metrics.names.length * width + (isInOneTime(metrics) ? 0 : place * 2)]!;
}

/** Every metric by its name, in the order in which they first came. */
export function entries(metrics: Metrics): [name: string, state: MetricState][] {
  return metrics.names.map((name, place) => [name, stateAt(metrics, place)]);
}

/** Standard deviation of the metric's numbers (population); 0 before the second one. */
export function standardDeviation(state: MetricState): number {
  return state.count > 1 ? Math.sqrt(state.m2 / state.count) : 0;
}

/**
 * As JSON: the names; the numbers, times as ms before `nowMs`, which makes them short; the words if there are any.
 * JSON has no Infinity and no NaN, but a sum of squares may overflow: those are stored by their names.
 */
export type MetricsJson = { names: readonly string[]; numbers: (number | string)[]; words?: Metrics["words"] };

export function metricsToJson({ names, numbers, words }: Metrics, nowMs: number): MetricsJson {
  const times = names.length * width;
  const stored = numbers.map((number, index) => {
    if (index >= times) return nowMs - number;
    return Number.isFinite(number) ? number : String(number);
  });
  return words.length === 0 ? { names, numbers: stored } : { names, numbers: stored, words };
}

export function metricsFromJson({ names, numbers, words }: MetricsJson, nowMs: number): Metrics {
  if (names.length === 0) return noMetrics;
  const times = names.length * width;
  return {
    names: shared(names),
    numbers: numbers.map((number, index) => (index >= times ? nowMs - Number(number) : Number(number))),
    words: words ?? noMetrics.words,
  };
}

/** With an empty row, older than any reading, for each name that is new. */
function withNamesOf(metrics: Metrics, readings: Readings): Metrics {
  const { names, words } = metrics;
  const fresh: string[] = [];
  let place = 0;
  for (const name in readings) {
    if (names[place] !== name) place = names.indexOf(name);
    if (place < 0) fresh.push(name);
    place += 1;
  }
  if (fresh.length === 0) return metrics;
  const times = names.length * width;
  const numbers = inTheirTimes(metrics);
  const rows = numbers.slice(0, times).concat(fresh.flatMap(() => [0, 0, 0, 0, 0, 0]));
  const allTimes = numbers.slice(times).concat(fresh.flatMap(() => [Number.NEGATIVE_INFINITY, 0]));
  return { names: shared([...names, ...fresh]), numbers: rows.concat(allTimes), words };
}

function newestTs({ names, numbers }: Metrics): number {
  let newest = Number.NEGATIVE_INFINITY;
  for (let time = names.length * width; time < numbers.length; time += 2) newest = Math.max(newest, numbers[time]!);
  return newest;
}

/** A copy of the numbers in which all metrics have these times. */
function inOneTime({ names, numbers }: Metrics, tsMs: number, receivedAtMs: number): number[] {
  const times = names.length * width;
  const copy = numbers.slice(0, times + 2);
  copy[times] = tsMs;
  copy[times + 1] = receivedAtMs;
  return copy;
}

/** A copy of the numbers in which each metric has times of its own. */
function inTheirTimes(metrics: Metrics): number[] {
  const { names, numbers } = metrics;
  if (!isInOneTime(metrics)) return numbers.slice();
  const times = numbers.slice(-2);
  return numbers.slice(0, -2).concat(names.flatMap(() => times));
}

function isInOneTime({ names, numbers }: Metrics): boolean {
  return numbers.length === names.length * width + 2;
}

function withWord(words: Metrics["words"], place: number, word: boolean | string | null): Metrics["words"] {
  if (word === (words[place] ?? null)) return words;
  const changed = words.slice();
  while (changed.length < place) changed.push(null);
  changed[place] = word;
  return changed;
}

/** M1 */
function countIn(numbers: number[], row: number, reading: number): void {
  const counted = numbers[row + count]! + 1;
  const difference = reading - numbers[row + mean]!;
  const newMean = numbers[row + mean]! + difference / counted;
  numbers[row + count] = counted;
  numbers[row + mean] = newMean;
  numbers[row + m2] = numbers[row + m2]! + difference * (reading - newMean);
  if (counted === 1 || reading < numbers[row + min]!) numbers[row + min] = reading;
  if (counted === 1 || reading > numbers[row + max]!) numbers[row + max] = reading;
}

function stateAt(metrics: Metrics, place: number): MetricState {
  const { names, numbers, words } = metrics;
  const row = place * width;
  const time = names.length * width + (isInOneTime(metrics) ? 0 : place * 2);
  return {
    value: words[place] ?? numbers[row + value]!,
    tsMs: numbers[time]!,
    receivedAtMs: numbers[time + 1]!,
    count: numbers[row + count]!,
    mean: numbers[row + mean]!,
    m2: numbers[row + m2]!,
    min: numbers[row + min]!,
    max: numbers[row + max]!,
  };
}

/** Lists of names; the bound counts names. A fleet has few lists. */
const lists = new Interned<readonly string[]>(100_000);

function shared(names: readonly string[]): readonly string[] {
  return lists.of(JSON.stringify(names), names, names.length);
}
