import "../style/device.css";
import { useState } from "preact/hooks";
import { Link, useLocation } from "wouter-preact";
import { api } from "../api.ts";
import { Commands } from "../parts/commands.tsx";
import { DeviceHead } from "../parts/device-head.tsx";
import { Dialog } from "../parts/dialog.tsx";
import { Metrics } from "../parts/metrics.tsx";
import { PresenceTimeline } from "../parts/presence-timeline.tsx";
import { ProblemBox } from "../parts/problem-box.tsx";
import { RecentEvents } from "../parts/recent-events.tsx";
import { RegistrationForm } from "../parts/registration-form.tsx";
import { RemoveDevice } from "../parts/remove-device.tsx";
import { Shadows } from "../parts/shadows.tsx";
import { useTitle } from "../parts/use-title.ts";
import { useDevice } from "../use-device.ts";

/** One device: its presence, measurements, shadows, commands and events, all live. */
export function DevicePage(props: { id: string }) {
  const { id } = props;
  useTitle(id);
  const [, go] = useLocation();
  const [dialog, setDialog] = useState<"edit" | "remove" | null>(null);
  const twin = useDevice(id);
  const device = twin.data;
  const close = () => setDialog(null);

  if (device === null) {
    if (!twin.problem) return <p class="waiting quiet">Loading {id}…</p>;
    return (
      <>
        <ProblemBox problem={twin.problem} onRetry={twin.reload} />
        <p>
          <Link href="/devices">All devices</Link>
        </p>
      </>
    );
  }
  return (
    <>
      <DeviceHead device={device} onEdit={() => setDialog("edit")} onRemove={() => setDialog("remove")} />
      {twin.problem && <ProblemBox problem={twin.problem} onRetry={twin.reload} />}
      <PresenceTimeline device={device} />
      <Metrics device={device} />
      <div class="columns halves">
        <Shadows device={device} onChanged={twin.reload} />
        <Commands device={device} onChanged={twin.reload} />
      </div>
      <RecentEvents device={id} />
      {dialog === "edit" && (
        <Dialog title="Edit registration" onClose={close}>
          <RegistrationForm
            device={device}
            onSaved={() => {
              close();
              twin.reload();
            }}
          />
        </Dialog>
      )}
      {dialog === "remove" && (
        <Dialog title={`Delete ${id}?`} onClose={close}>
          <RemoveDevice id={id} remove={() => api.remove(id)} onRemoved={() => go("/devices")} onCancel={close} />
        </Dialog>
      )}
    </>
  );
}
