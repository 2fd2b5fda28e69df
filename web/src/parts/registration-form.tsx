import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { api } from "../api.ts";
import type { Device } from "../contract.ts";
import { asProblem, Problem } from "../problem.ts";
import { fieldsOf, type RegistrationFields, readFields } from "../registration-fields.ts";
import { ProblemBox } from "./problem-box.tsx";

/** What the registry knows of a device; `device: null` makes a new one. */
export function RegistrationForm(props: { device: Device | null; onSaved: (device: Device) => void }) {
  const { device, onSaved } = props;
  const [fields, setFields] = useState(() => fieldsOf(device));
  const [problem, setProblem] = useState<Problem | null>(null);
  const [busy, setBusy] = useState(false);

  const save = async (event: Event) => {
    event.preventDefault();
    const registration = readFields(fields, device);
    if ("wrong" in registration) return setProblem(new Problem(0, "Not saved", registration.wrong));
    setBusy(true);
    try {
      onSaved(device ? await api.change(device.id, registration) : await api.register(registration));
    } catch (error) {
      setProblem(asProblem(error));
    } finally {
      setBusy(false);
    }
  };
  const set = (name: keyof RegistrationFields) => (event: JSX.TargetedEvent<HTMLInputElement | HTMLTextAreaElement>) =>
    setFields({ ...fields, [name]: event.currentTarget.value });

  return (
    <form onSubmit={save} class="grid-form">
      {device === null && (
        <label class="field whole">
          <span>Device id</span>
          <input
            required
            class="mono"
            pattern="[a-zA-Z0-9:_\-]{1,128}"
            title="1 to 128 letters, digits, : _ or -"
            value={fields.id}
            onInput={set("id")}
          />
        </label>
      )}
      <label class="field">
        <span>Type</span>
        <input value={fields.type} placeholder="default" onInput={set("type")} />
      </label>
      <label class="field">
        <span>Region</span>
        <input value={fields.region} onInput={set("region")} />
      </label>
      <label class="field whole">
        <span>Place</span>
        <input value={fields.place} onInput={set("place")} />
      </label>
      <label class="field">
        <span>Latitude</span>
        <input type="number" step="any" min="-90" max="90" value={fields.latitude} onInput={set("latitude")} />
      </label>
      <label class="field">
        <span>Longitude</span>
        <input type="number" step="any" min="-180" max="180" value={fields.longitude} onInput={set("longitude")} />
      </label>
      <label class="field whole">
        <span>Firmware version</span>
        <input value={fields.firmwareVersion} onInput={set("firmwareVersion")} />
      </label>
      <label class="field whole">
        <span>
          Tags <small>one a line, name=value</small>
        </span>
        <textarea rows={3} class="mono" value={fields.tags} onInput={set("tags")} />
      </label>
      {problem && <ProblemBox problem={problem} />}
      <div class="actions">
        <button type="submit" class="primary" disabled={busy}>
          {device ? "Save" : "Add device"}
        </button>
      </div>
    </form>
  );
}
