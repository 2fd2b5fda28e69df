import { useEffect, useState } from "preact/hooks";
import { api } from "../api.ts";
import type { Export } from "../contract.ts";
import { formatNumber } from "../format.ts";
import { exportEvery, exportWhat, underWay } from "../history/export-words.ts";
import { exportRequest, type Format, formats, type Schedule, schedules } from "../history/query.ts";
import type { HistoryView } from "../history/view.ts";
import { formatStretch } from "../history/zone.ts";
import type { Stretch } from "../history/zoom.ts";
import { asProblem, type Problem } from "../problem.ts";
import { saveFile } from "../save-file.ts";
import { useResource } from "../use-resource.ts";
import { Dialog } from "./dialog.tsx";
import { ProblemBox } from "./problem-box.tsx";
import { Ago, Time } from "./time.tsx";

const whileRunningMs = 1_500;

/** Has what is shown written to the storage, once or on a schedule, and lists what was. */
export function StorageExports(props: { view: HistoryView; stretch: Stretch; onClose: () => void }) {
  const { view, stretch, onClose } = props;
  const exports = useResource("exports", (signal) => api.exports(signal));
  const [format, setFormat] = useState<Format>("parquet");
  const [every, setEvery] = useState<Schedule | "">("");
  const [problem, setProblem] = useState<Problem | null>(null);
  const [busy, setBusy] = useState(false);
  const items = exports.data?.items ?? [];
  const running = underWay(items);
  const { loading, reload } = exports;
  useEffect(() => {
    if (!running || loading) return;
    const timer = setTimeout(reload, whileRunningMs);
    return () => clearTimeout(timer);
  }, [running, loading, reload]);

  const act = async (what: () => Promise<unknown>) => {
    setBusy(true);
    setProblem(null);
    try {
      await what();
      reload();
    } catch (error) {
      setProblem(asProblem(error));
    } finally {
      setBusy(false);
    }
  };
  const make = (event: Event) => {
    event.preventDefault();
    return act(() => api.makeExport(exportRequest(view, stretch, format, every === "" ? null : every)));
  };
  return (
    <Dialog title="Export to the storage" onClose={onClose}>
      <form onSubmit={make} class="grid-form">
        <label class="field">
          <span>Format</span>
          <select value={format} onChange={(event) => setFormat(event.currentTarget.value as Format)}>
            {formats.map(({ format, name }) => (
              <option key={format} value={format}>
                {name}
              </option>
            ))}
          </select>
        </label>
        <label class="field">
          <span>When</span>
          <select value={every} onChange={(event) => setEvery(event.currentTarget.value as Schedule | "")}>
            <option value="">Once, now</option>
            {schedules.map(({ last, name }) => (
              <option key={last} value={last}>
                {name}
              </option>
            ))}
          </select>
        </label>
        <p class="whole says quiet">
          {every === ""
            ? `All readings from ${formatStretch(stretch.fromMs, stretch.toMs, view.zone)}.`
            : `All readings of the whole ${every} before each run.`}
        </p>
        {(problem ?? exports.problem) && <ProblemBox problem={(problem ?? exports.problem)!} />}
        <div class="actions">
          <button type="submit" class="primary" disabled={busy}>
            Export
          </button>
        </div>
      </form>
      {items.length > 0 && (
        <ul class="exports" aria-label="Exports">
          {items.map((one) => (
            <Item
              key={one.id}
              item={one}
              busy={busy}
              onRemove={() => act(() => api.removeExport(one.id))}
              onFetch={act}
            />
          ))}
        </ul>
      )}
    </Dialog>
  );
}

const stateClass: Record<Export["state"], string> = {
  waiting: "state",
  running: "state",
  done: "state succeeded",
  failed: "state failed",
  scheduled: "state",
};

function Item(props: {
  item: Export;
  busy: boolean;
  onRemove: () => void;
  onFetch: (what: () => Promise<unknown>) => void;
}) {
  const { item, busy, onRemove, onFetch } = props;
  const [run] = item.runs;
  const [sure, setSure] = useState(false);
  const what = exportWhat(item);
  const every = exportEvery(item);
  return (
    <li>
      <span class={stateClass[item.state]}>{item.state}</span>
      <span class="export-what">
        {what} <span class="quiet">as {item.format}</span>
      </span>
      <button
        type="button"
        class={sure ? "link danger" : "link"}
        disabled={busy}
        onClick={() => (sure ? onRemove() : setSure(true))}
        onBlur={() => setSure(false)}
      >
        {sure ? "Delete, with its files?" : "Delete"}
        <span class="visually-hidden"> the export of {what}</span>
      </button>
      <span class="export-note quiet">
        <Ago at={item.createdAt} />
        {every && `, ${every}`}
        {item.nextRunAt && (
          <>
            , next <Time at={item.nextRunAt} />
          </>
        )}
        {run?.state === "done" && `, ${formatNumber(run.rows)} rows in ${item.place}`}
        {run?.error && <span class="flagged">, {run.error}</span>}
        {run?.files.slice(0, 5).map(({ name, download }) => (
          <button
            key={name}
            type="button"
            class="link"
            onClick={() => onFetch(async () => saveFile(await api.download(download), name))}
          >
            {name}
          </button>
        ))}
      </span>
    </li>
  );
}
