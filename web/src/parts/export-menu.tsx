import { useState } from "preact/hooks";
import { api } from "../api.ts";
import { apiKey } from "../api-key.ts";
import { exportHref, exportName, type Format, formats } from "../history/query.ts";
import type { HistoryView } from "../history/view.ts";
import type { Stretch } from "../history/zoom.ts";
import { asProblem, type Problem } from "../problem.ts";
import { saveFile } from "../save-file.ts";
import { Icon } from "./icon.tsx";
import { ProblemBox } from "./problem-box.tsx";
import { StorageExports } from "./storage-exports.tsx";

/** What is shown as a file: all readings of the time, or only the points of the chart. */
export function ExportMenu(props: { view: HistoryView; stretch: Stretch; maxPoints: number }) {
  const { view, stretch, maxPoints } = props;
  const [pointsOnly, setPointsOnly] = useState(false);
  const [problem, setProblem] = useState<Problem | null>(null);
  const [busy, setBusy] = useState(false);
  const [storing, setStoring] = useState(false);
  const href = (format: Format) => exportHref(view, stretch, format, pointsOnly ? maxPoints : null);
  const fetched = (event: MouseEvent, format: Format) => {
    if (!apiKey.value) return; // the link does it, straight to disk
    event.preventDefault();
    setBusy(true);
    setProblem(null);
    api
      .download(href(format))
      .then((blob) => saveFile(blob, exportName(view, stretch, format)))
      .catch((error: unknown) => setProblem(asProblem(error)))
      .finally(() => setBusy(false));
  };
  return (
    <details class="menu at-end" onKeyDown={closeOnEscape}>
      <summary>
        <Icon name="export" /> Export
      </summary>
      <div class="menu-box">
        <p class="quiet">The time, devices and metrics shown.</p>
        <ul aria-busy={busy}>
          {formats.map(({ format, name, note }) => (
            <li key={format}>
              <a
                href={href(format)}
                download={exportName(view, stretch, format)}
                onClick={(event) => fetched(event, format)}
              >
                <b>{name}</b> <span class="quiet">{note}</span>
              </a>
            </li>
          ))}
        </ul>
        <label class="check">
          <input
            type="checkbox"
            checked={pointsOnly}
            onChange={(event) => setPointsOnly(event.currentTarget.checked)}
          />
          Only the points of the chart
        </label>
        <button type="button" onClick={() => setStoring(true)}>
          To the storage, or on a schedule…
        </button>
        {problem && <ProblemBox problem={problem} />}
      </div>
      {storing && <StorageExports view={view} stretch={stretch} onClose={() => setStoring(false)} />}
    </details>
  );
}

function closeOnEscape(event: KeyboardEvent): void {
  const menu = event.currentTarget as HTMLDetailsElement;
  if (event.key !== "Escape" || !menu.open) return;
  menu.open = false;
  menu.querySelector("summary")?.focus();
}
