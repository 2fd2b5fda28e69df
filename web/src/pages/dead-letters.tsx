import "../style/lists.css";
import { useEffect, useState } from "preact/hooks";
import { Link } from "wouter-preact";
import { api } from "../api.ts";
import type { DeviceEvent } from "../contract.ts";
import { stats, useFleetStats } from "../fleet.ts";
import { formatWords } from "../format.ts";
import { Pager, usePager } from "../parts/pager.tsx";
import { ProblemBox } from "../parts/problem-box.tsx";
import { Time } from "../parts/time.tsx";
import { useTitle } from "../parts/use-title.ts";
import { useThrottled } from "../use-live.ts";
import { useResource } from "../use-resource.ts";

/** Messages that were refused, each with the reason and what was sent. */
export function DeadLetters() {
  useTitle("Dead letters");
  useFleetStats();
  const pager = usePager();
  const page = useResource(`dead/${pager.cursor}`, (signal) => api.deadLetters(pager.cursor, signal));
  const letters = page.data?.items ?? [];
  const count = Object.values(stats.value?.deadLetters ?? {}).reduce((sum, of) => sum + of, 0);
  const refresh = useThrottled(page.reload, 2000);
  useEffect(() => {
    if (count > 0 && pager.page === 0) refresh();
  }, [count, pager.page, refresh]);
  return (
    <>
      <header class="page-head">
        <h1>Dead letters</h1>
        <p class="quiet">Messages that could not be taken, kept whole with the reason.</p>
        <button type="button" class="at-end" onClick={page.reload}>
          Refresh
        </button>
      </header>
      {page.problem && <ProblemBox problem={page.problem} onRetry={page.reload} />}
      {page.data && letters.length === 0 ? (
        <section class="empty">
          <h2>No message was refused</h2>
          <p>When a payload is malformed or a device writes where it may not, it is listed here.</p>
        </section>
      ) : (
        <section class="panel" aria-label="Refused messages" aria-busy={page.loading}>
          <div class="scroll">
            <table class="letters">
              <thead>
                <tr>
                  <th scope="col">Time</th>
                  <th scope="col">Device</th>
                  <th scope="col">Reason</th>
                  <th scope="col">Topic and payload</th>
                </tr>
              </thead>
              <tbody>
                {letters.map((letter) => (
                  <Letter key={`${letter.device}/${letter.offset}`} letter={letter} />
                ))}
              </tbody>
            </table>
          </div>
          <Pager pager={pager} next={page.data?.next ?? null} shown={letters.length} what="dead letters" />
        </section>
      )}
    </>
  );
}

const clipAt = 160;

function Letter(props: { letter: DeviceEvent }) {
  const { letter } = props;
  const [open, setOpen] = useState(false);
  const payload = String(letter.payload ?? "");
  const long = payload.length > clipAt;
  return (
    <tr>
      <td>
        <Time at={letter.at} />
      </td>
      <td>
        <Link class="id" href={`/devices/${encodeURIComponent(letter.device)}`}>
          {letter.device}
        </Link>
      </td>
      <td class="reason">
        <b>{formatWords(String(letter.reason ?? ""))}</b>
        <p>{String(letter.detail ?? "")}</p>
      </td>
      <td class="payload">
        <code class="quiet">{String(letter.topic ?? "")}</code>
        <pre>{open || !long ? payload : `${payload.slice(0, clipAt)}…`}</pre>
        {letter.encoding === "base64" && <span class="quiet">bytes, shown as base64</span>}
        {long && (
          <button type="button" class="link" aria-expanded={open} onClick={() => setOpen(!open)}>
            {open ? "Show less" : `Show all ${payload.length} characters`}
          </button>
        )}
      </td>
    </tr>
  );
}
