import "../style/lists.css";
import "../style/device.css";
import "../style/letters.css";
import { useEffect, useState } from "preact/hooks";
import { Link, useLocation, useSearch } from "wouter-preact";
import { api } from "../api.ts";
import type { DeadLetter } from "../contract.ts";
import { stats, useFleetStats } from "../fleet.ts";
import { type LetterFilter, letterQuery, readLetterFilter } from "../letters/letter-filter.ts";
import { brokenRules, canBeSent, reasonWords } from "../letters/outcome.ts";
import { firstOf } from "../letters/payload.ts";
import { BrokenRules, LetterDialog } from "../parts/letter-dialog.tsx";
import { LetterFilters } from "../parts/letter-filters.tsx";
import { Pager, usePager } from "../parts/pager.tsx";
import { ProblemBox } from "../parts/problem-box.tsx";
import { ResendState } from "../parts/resend-state.tsx";
import { Time } from "../parts/time.tsx";
import { useTitle } from "../parts/use-title.ts";
import { asProblem, type Problem } from "../problem.ts";
import { useThrottled } from "../use-live.ts";
import { useResource } from "../use-resource.ts";

/** Messages that were refused or put in quarantine: to look at, to correct, and to send again. */
export function DeadLetters() {
  useTitle("Dead letters");
  useFleetStats();
  const [, go] = useLocation();
  const filter = readLetterFilter(useSearch());
  const query = letterQuery(filter);
  const address = query.toString();
  const pager = usePager();
  const page = useResource(`dead/${address}/${pager.cursor}`, (signal) => api.deadLetters(query, pager.cursor, signal));
  const letters = page.data?.items ?? [];
  const count = Object.values(stats.value?.deadLetters ?? {}).reduce((sum, of) => sum + of, 0);
  const refresh = useThrottled(page.reload, 2000);
  const [open, setOpen] = useState<string | null>(null);
  const [chosen, setChosen] = useState<ReadonlySet<string>>(new Set());
  const [failed, setFailed] = useState<ReadonlyMap<string, string>>(new Map());
  const [sending, setSending] = useState<number | null>(null);
  const [sent, setSent] = useState(0);
  const [problem, setProblem] = useState<Problem | null>(null);
  const [rules, setRules] = useState<string[]>([]);
  useEffect(() => {
    if (count > 0 && pager.page === 0 && open === null && sending === null) refresh();
  }, [count, pager.page, refresh]);
  useEffect(() => {
    const met = letters.flatMap((letter) => brokenRules(letter).map(({ rule }) => rule));
    setRules((known) => [...new Set([...known, ...met])].sort());
  }, [page.data]);

  const change = (to: LetterFilter) => {
    pager.restart();
    setChosen(new Set());
    const search = letterQuery(to).toString();
    go(search === "" ? "/dead-letters" : `/dead-letters?${search}`, { replace: true });
  };
  const send = async (id: string, request: { payload: string | null; override: boolean }) => {
    await api.resend(id, request);
    const letter = await api.deadLetter(id);
    page.patch((shown) => ({ ...shown, items: shown.items.map((one) => (one.id === id ? letter : one)) }));
  };
  const choose = (ids: string[], on: boolean) =>
    setChosen(new Set(on ? [...chosen, ...ids] : [...chosen].filter((id) => !ids.includes(id))));
  const sendable = letters.filter(canBeSent);
  const toSend = sendable.filter(({ id }) => chosen.has(id));
  const sendMany = async () => {
    setFailed(new Map());
    setSending(toSend.length);
    try {
      const { items } = await api.resendMany(toSend.map(({ id }) => id));
      setFailed(new Map(items.filter(({ status }) => status !== "sent").map(({ id, detail }) => [id, detail])));
      setSent(items.filter(({ status }) => status === "sent").length);
      setChosen(new Set());
    } catch (error) {
      setProblem(asProblem(error));
    } finally {
      setSending(null);
      page.reload();
    }
  };
  const shown = letters.find(({ id }) => id === open);
  return (
    <>
      <header class="page-head">
        <h1>Dead letters</h1>
        <p class="quiet">Messages that could not be taken, kept whole with the reason.</p>
        <button type="button" class="at-end" onClick={page.reload}>
          Refresh
        </button>
      </header>
      <LetterFilters filter={filter} stats={stats.value} rules={rules} onChange={change} />
      {problem && <ProblemBox problem={problem} />}
      {page.problem && <ProblemBox problem={page.problem} onRetry={page.reload} />}
      {page.data && letters.length === 0 ? (
        <section class="empty">
          <h2>{address === "" ? "No message was refused" : "No dead letter matches"}</h2>
          {address === "" ? (
            <p>When a payload is malformed or a quality rule puts a message in quarantine, it is listed here.</p>
          ) : (
            <button type="button" onClick={() => change(readLetterFilter(""))}>
              Clear the filters
            </button>
          )}
        </section>
      ) : (
        <section class="panel" aria-label="Refused messages" aria-busy={page.loading}>
          <div class="send-many">
            <label class="check">
              <input
                type="checkbox"
                checked={sendable.length > 0 && toSend.length === sendable.length}
                disabled={sendable.length === 0 || sending !== null}
                onChange={(event) =>
                  choose(
                    sendable.map(({ id }) => id),
                    event.currentTarget.checked,
                  )
                }
              />
              {toSend.length === 0 ? "All of this page" : `${toSend.length} chosen`}
            </label>
            <button type="button" disabled={toSend.length === 0 || sending !== null} onClick={sendMany}>
              Send again as they came
            </button>
            <span class="quiet" role="status">
              {sending !== null && `Sending ${sending}…`}
              {sending === null && sent > 0 && `${sent} sent again. `}
              {sending === null && failed.size > 0 && <span class="flagged">{failed.size} could not be sent</span>}
            </span>
          </div>
          <ul class="letters">
            {letters.map((letter) => (
              <Letter
                key={letter.id}
                letter={letter}
                chosen={chosen.has(letter.id)}
                problem={failed.get(letter.id) ?? null}
                busy={sending !== null}
                onChoose={(on) => choose([letter.id], on)}
                onOpen={() => setOpen(letter.id)}
              />
            ))}
          </ul>
          <Pager pager={pager} next={page.data?.next ?? null} shown={letters.length} what="dead letters" />
        </section>
      )}
      {shown && (
        <LetterDialog letter={shown} onClose={() => setOpen(null)} onSend={(request) => send(shown.id, request)} />
      )}
    </>
  );
}

const clipAt = 150;

function Letter(props: {
  letter: DeadLetter;
  chosen: boolean;
  problem: string | null;
  busy: boolean;
  onChoose: (on: boolean) => void;
  onOpen: () => void;
}) {
  const { letter, chosen, problem, busy, onChoose, onOpen } = props;
  const { device, at, reason, detail, payload, encoding } = letter;
  return (
    <li>
      <input
        type="checkbox"
        aria-label={`Choose the message of ${device}, ${reasonWords(reason)}`}
        checked={chosen}
        disabled={!canBeSent(letter) || busy}
        onChange={(event) => onChoose(event.currentTarget.checked)}
      />
      <div class="letter-head">
        <b class={reason === "quarantined" ? "quarantined" : ""}>{reasonWords(reason)}</b>
        <Link class="id" href={`/devices/${encodeURIComponent(device)}`}>
          {device}
        </Link>
        <span class="quiet">
          <Time at={at} />
        </span>
        <BrokenRules letter={letter} />
      </div>
      <p class="letter-detail">{detail}</p>
      <code class="letter-payload">
        {firstOf(payload, clipAt)}
        {encoding === "base64" && <span class="quiet"> bytes, as base64</span>}
      </code>
      <ResendState letter={letter} />
      {problem && (
        <p class="says bad" role="alert">
          {problem}
        </p>
      )}
      <button type="button" onClick={onOpen}>
        {canBeSent(letter) ? "Inspect and send" : "Inspect"}
        <span class="visually-hidden"> the message of {device}</span>
      </button>
    </li>
  );
}
