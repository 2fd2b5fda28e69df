import { useState } from "preact/hooks";
import { api } from "../api.ts";
import { isOpen } from "../command-state.ts";
import type { Command, DeviceDetail } from "../contract.ts";
import { formatWords } from "../format.ts";
import { asProblem, type Problem } from "../problem.ts";
import { useLive, useThrottled } from "../use-live.ts";
import { useResource } from "../use-resource.ts";
import { CommandForm } from "./command-form.tsx";
import { Pager, usePager } from "./pager.tsx";
import { ProblemBox } from "./problem-box.tsx";
import { Ago } from "./time.tsx";

/** Commands of a device: send one, watch what becomes of it, cancel. */
export function Commands(props: { device: DeviceDetail }) {
  const { device } = props;
  const pager = usePager();
  const [problem, setProblem] = useState<Problem | null>(null);
  const page = useResource(`commands/${device.id}/${pager.cursor}`, (signal) =>
    api.commands(device.id, pager.cursor, signal),
  );
  const refresh = useThrottled(page.reload, 300);
  useLive(`device:${device.id}`, (message) => {
    if (message.type === "command" && message.device === device.id) refresh();
  });
  const cancel = (command: Command) =>
    api.cancelCommand(device.id, command.id).then(
      () => {
        setProblem(null);
        refresh();
      },
      (error: unknown) => setProblem(asProblem(error)),
    );
  const commands = page.data?.items ?? [];
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
          refresh();
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
