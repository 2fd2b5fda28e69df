import { useState } from "preact/hooks";
import { Icon } from "./icon.tsx";

/** What to do when there is nothing yet: one line that makes a first device appear. */
export function FirstDevice() {
  const [copied, setCopied] = useState(false);
  const line = `mosquitto_pub -h ${location.hostname} -p 1883 -q 1 -i my-first-device -t devices/my-first-device/telemetry -m '{"readings":{"temperature":21.5}}'`;
  const copy = () =>
    navigator.clipboard.writeText(line).then(
      () => setCopied(true),
      () => setCopied(false),
    );
  return (
    <section class="empty">
      <h2>No device yet</h2>
      <p>Connect a first one: it appears here by itself as soon as its message is stored. In a terminal:</p>
      <div class="copyable">
        <code>{line}</code>
        <button type="button" class="icon-button" onClick={copy} aria-label={copied ? "Copied" : "Copy the command"}>
          <Icon name={copied ? "check" : "copy"} />
        </button>
      </div>
      <p class="quiet">
        1883 is the usual MQTT port; the server prints its own when it starts. To see a whole fleet at once, run{" "}
        <code>npm run simulate -- --devices 1000</code>.
      </p>
    </section>
  );
}
