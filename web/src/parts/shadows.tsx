import { useState } from "preact/hooks";
import type { DeviceDetail, ShadowView } from "../contract.ts";
import { formatJson } from "../format.ts";
import { shadowChangedAt } from "../shadow-changed-at.ts";
import { differences, type ShadowRow, shadowRows } from "../shadow-rows.ts";
import { DesiredEditor } from "./desired-editor.tsx";
import { Dialog } from "./dialog.tsx";
import { Ago } from "./time.tsx";

const classic = "";

/** The device's shadows: desired and reported side by side, with what the device still has to follow marked. */
export function Shadows(props: { device: DeviceDetail; onChanged: () => void }) {
  const { device, onChanged } = props;
  const names = Object.keys(device.shadows).sort();
  const [chosen, setChosen] = useState<string | null>(null);
  const [editing, setEditing] = useState<string | null>(null);
  const name = chosen !== null && names.includes(chosen) ? chosen : (names[0] ?? classic);
  const shadow = device.shadows[name];
  const changedAt = shadow ? shadowChangedAt(shadow.metadata) : null;
  return (
    <section class="panel" aria-label="Shadow">
      <header>
        <h2>Shadow</h2>
        {names.length > 1 && (
          <select aria-label="Which shadow" value={name} onChange={(event) => setChosen(event.currentTarget.value)}>
            {names.map((one) => (
              <option key={one} value={one}>
                {one === classic ? "classic" : one}
              </option>
            ))}
          </select>
        )}
        {names.length === 1 && name !== classic && <span class="id">{name}</span>}
        {shadow && (
          <span class="quiet">
            version {shadow.version}
            {changedAt !== null && (
              <>
                {" · "}
                <Ago at={changedAt} />
              </>
            )}
          </span>
        )}
        <button type="button" class="at-end" onClick={() => setEditing(name)}>
          Edit desired
        </button>
      </header>
      {shadow ? <SideBySide shadow={shadow} /> : <p class="none">No shadow yet. Edit desired to make one.</p>}
      {editing !== null && (
        <Dialog title={`Desired state${editing === classic ? "" : ` of ${editing}`}`} onClose={() => setEditing(null)}>
          <DesiredEditor
            device={device.id}
            name={editing}
            current={device.shadows[editing] ?? null}
            onSaved={() => {
              setEditing(null);
              onChanged();
            }}
          />
        </Dialog>
      )}
    </section>
  );
}

function SideBySide(props: { shadow: ShadowView }) {
  const { desired, reported } = props.shadow.state;
  const rows = shadowRows(desired, reported);
  const open = differences(rows);
  if (rows.length === 0) return <p class="none">The shadow is empty.</p>;
  return (
    <>
      <div class="scroll">
        <table class="shadow">
          <thead>
            <tr>
              <th scope="col">Property</th>
              <th scope="col">Desired</th>
              <th scope="col">Reported</th>
              <th scope="col">Delta</th>
            </tr>
          </thead>
          <tbody>
            {rows.map((row) => (
              <Row key={row.path} row={row} />
            ))}
          </tbody>
        </table>
      </div>
      <p class={open === 0 ? "panel-foot quiet" : "panel-foot differs"} role="status">
        {open === 0
          ? "In step: the device reports all that is desired."
          : `${open} ${open === 1 ? "property differs" : "properties differ"}: the device has yet to follow.`}
      </p>
    </>
  );
}

function Row(props: { row: ShadowRow }) {
  const { row } = props;
  return (
    <tr class={row.branch ? "branch" : row.differs ? "differs" : ""}>
      <th scope="row" style={{ paddingInlineStart: `${12 + row.depth * 14}px` }}>
        {row.name}
      </th>
      <td>{formatJson(row.desired)}</td>
      <td>{formatJson(row.reported)}</td>
      <td>{row.differs && !row.branch ? <b>{formatJson(row.desired)}</b> : ""}</td>
    </tr>
  );
}
