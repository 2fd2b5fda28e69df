import { useState } from "preact/hooks";
import { api } from "../api.ts";
import { isOpen } from "../command-state.ts";
import type { Command, DeviceDetail } from "../contract.ts";
import { formatWords } from "../format.ts";
import { asProblem, type Problem } from "../problem.ts";
import { useResource } from "../use-resource.ts";
import { CommandForm } from "./command-form.tsx";
import { Pager, usePager } from "./pager.tsx";
import { ProblemBox } from "./problem-box.tsx";
import { Ago } from "./time.tsx";

/** Commands of a device: send one, watch what becomes of it, cancel. */
export function Commands(props: { device: DeviceDetail; onChanged: () => void }) {
  const { device, onChanged } = props;
  const pager = usePager();
  const [problem, setProblem] = useState<Problem | null>(null);
  const page = useResource(`commands/${device.id}/${pager.cursor}`, (signal) =>
    api.commands(device.id, pager.cursor, signal),
  );
  const cancel = (command: Command) =>
    api.cancelCommand(device.id, command.id).then(
      () => {
        setProblem(null);
        onChanged();
      },
      (error: unknown) => setProblem(asProblem(error)),
    );
  const listed = page.data?.items ?? [];
  const commands = pager.page === 0 ? newestFirst(device.commands, listed) : listed;
  const shownProblem = problem ?? page.problem;
  return (
    <section class="panel" aria-label="Commands">
      <header>
        <h2>Commands</h2>
        {device.status === "offline" && <span class="quiet">wait until the device is back</span>}
      </header>
      <CommandForm
        device={device.id}
        onSent={() => {
          pager.restart();
          onChanged();
        }}
      />
      {shownProblem && <ProblemBox problem={shownProblem} />}
      {page.data && commands.length === 0 && <p class="none">No command yet.</p>}
      {commands.length > 0 && (
        <ul class="commands">
          {commands.map((command) => (
            <li key={command.id}>
              <span class={`state ${command.state}`}>{formatWords(command.state)}</span>
              <span class="command-name">
                <b>{command.name}</b> <Said value={command.parameters} />
              </span>
              <span class="when quiet">
                <Ago at={command.createdAt} />
              </span>
              <Outcome command={command} onCancel={() => cancel(command)} />
            </li>
          ))}
        </ul>
      )}
      {(pager.page > 0 || page.data?.next) && (
        <Pager pager={pager} next={page.data?.next ?? null} shown={commands.length} what="commands" />
      )}
    </section>
  );
}

/** The twin knows its open and newest commands exactly; the list, of all of them, follows a moment later. */
function newestFirst(exact: Command[], listed: Command[]): Command[] {
  const known = new Set(exact.map((command) => command.id));
  return [...exact, ...listed.filter((command) => !known.has(command.id))].sort((a, b) =>
    b.createdAt.localeCompare(a.createdAt),
  );
}

function Outcome(props: { command: Command; onCancel: () => void }) {
  const { command, onCancel } = props;
  const open = isOpen(command.state);
  const notes = [command.reason, said("progress", command.progress), said("result", command.result)].filter(Boolean);
  if (notes.length === 0 && !open) return null;
  return (
    <span class="outcome">
      <span class="quiet">
        {notes.join(" · ")}
        {open && command.expiresAt && (
          <>
            {notes.length > 0 && " · "}expires <Ago at={command.expiresAt} />
          </>
        )}
      </span>
      {open && (
        <button type="button" class="link" onClick={onCancel}>
          Cancel
        </button>
      )}
    </span>
  );
}

function Said(props: { value: unknown }) {
  const text = said("", props.value);
  return text ? <code class="quiet">{text}</code> : null;
}

/** JSON on one line; nothing for null or {}. */
function said(label: string, value: unknown): string {
  if (value === null || value === undefined) return "";
  const text = typeof value === "string" ? value : JSON.stringify(value);
  return text === "{}" ? "" : `${label} ${text}`.trim();
}
