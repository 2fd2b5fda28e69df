/** How a replay goes on, for people: a bar on a terminal, a line every few seconds elsewhere. */
import cliProgress from "cli-progress";
import type { ReplayReport } from "./run.ts";

export type Display = { show(report: ReplayReport): void; end(): void };

const lineMs = 5_000;

export function openDisplay({
  terminal,
  write,
  now,
}: {
  terminal: boolean;
  write: (line: string) => void;
  /** ms of any steady clock. */
  now: () => number;
}): Display {
  let first: { atMs: number; done: number } | null = null;
  let shownMs = Number.NEGATIVE_INFINITY;
  const bar = terminal
    ? new cliProgress.SingleBar({
        format: "{bar} {percentage}% | {value} of {total} records | {rate}/s | {eta} left",
        barsize: 30,
        hideCursor: true,
      })
    : null;
  return {
    show(report) {
      first ??= { atMs: now(), done: report.done };
      const words = paceOf(report, first, now());
      if (bar !== null) {
        if (!bar.isActive) bar.start(report.total, report.done, words);
        return bar.update(report.done, words);
      }
      if (now() - shownMs < lineMs && report.done < report.total) return;
      shownMs = now();
      const percent = report.total === 0 ? 100 : Math.floor((100 * report.done) / report.total);
      write(`${percent}% | ${report.done} of ${report.total} records | ${words.rate}/s | ${words.eta} left\n`);
    },
    end: () => bar?.stop(),
  };
}

/** Records a second since the beginning of this run, and how long the rest takes at that. Pure. */
export function paceOf(
  { total, done }: ReplayReport,
  first: { readonly atMs: number; readonly done: number },
  nowMs: number,
): { rate: string; eta: string } {
  const seconds = (nowMs - first.atMs) / 1_000;
  const rate = seconds <= 0 ? 0 : (done - first.done) / seconds;
  if (done >= total) return { rate: Math.round(rate).toString(), eta: "0 s" };
  return { rate: Math.round(rate).toString(), eta: rate <= 0 ? "?" : lasting((total - done) / rate) };
}

/** "1 h 5 min", "2 min 3 s", "4 s" */
function lasting(seconds: number): string {
  const whole = Math.ceil(seconds);
  const [h, min, s] = [Math.floor(whole / 3_600), Math.floor((whole % 3_600) / 60), whole % 60];
  if (h > 0) return `${h} h ${min} min`;
  return min > 0 ? `${min} min ${s} s` : `${s} s`;
}
