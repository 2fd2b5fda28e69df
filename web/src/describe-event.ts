import type { DeviceEvent } from "./contract.ts";
import { formatWords } from "./format.ts";

export type Described = {
  tone: "online" | "offline" | "flapping" | "bad" | "plain" | "quiet";
  title: string;
  detail: string;
};

/** The kinds worth a person's look: all but telemetry and bare signs of life. */
export const eventKinds =
  "registered,registrationChanged,deregistered,presence,shadowUpdated,shadowDeleted,commandRequested,commandMoved,deadLettered";

/** An event in a few words. A kind that this dashboard does not know is shown by its name. */
export function describeEvent(event: DeviceEvent): Described {
  const text = (field: string) => (typeof event[field] === "string" ? (event[field] as string) : "");
  switch (event.kind) {
    case "registered":
      return { tone: "plain", title: "Registered", detail: "" };
    case "registrationChanged":
      return { tone: "plain", title: "Registration changed", detail: "" };
    case "deregistered":
      return { tone: "bad", title: "Deleted", detail: "" };
    case "presence":
      return describePresence(event, text("reason"));
    case "shadowUpdated":
      return describeShadow(event);
    case "shadowDeleted":
      return { tone: "plain", title: "Shadow deleted", detail: text("shadow") };
    case "commandRequested":
      return { tone: "plain", title: `Command ${text("name")}`, detail: "requested" };
    case "commandMoved":
      return {
        tone: ["failed", "rejected", "expired"].includes(text("to")) ? "bad" : "plain",
        title: `Command ${formatWords(text("to"))}`,
        detail: text("reason"),
      };
    case "deadLettered":
      return {
        tone: "bad",
        title: event.reason === "quarantined" ? "Message in quarantine" : "Message refused",
        detail: text("detail") || formatWords(text("reason")),
      };
    default:
      return { tone: "quiet", title: sentence(formatWords(event.kind)), detail: "" };
  }
}

function describePresence(event: DeviceEvent, reason: string): Described {
  const flapping = event.flapping as string | undefined;
  const more = flapping === "started" ? "now flapping" : flapping === "ended" ? "steady again" : "";
  const detail = [reason, more].filter(Boolean).join(" · ");
  if (event.status === "online") return { tone: "online", title: "Online", detail };
  if (event.status === "offline") return { tone: "offline", title: "Offline", detail };
  if (flapping)
    return { tone: "flapping", title: flapping === "started" ? "Flapping" : "Steady again", detail: reason };
  return { tone: "quiet", title: sentence(formatWords(String(event.edge ?? "presence"))), detail };
}

function describeShadow(event: DeviceEvent): Described {
  const name = event.shadow ? `“${event.shadow}” ` : "";
  const sections = ["desired", "reported"].filter((section) => event[section] !== undefined);
  const keys = sections.flatMap((section) => Object.keys((event[section] as object | null) ?? {}));
  return {
    tone: "plain",
    title: `Shadow ${name}${sections.join(" and ") || "updated"}`,
    detail: `version ${event.version}${keys.length > 0 ? ` · ${[...new Set(keys)].slice(0, 6).join(", ")}` : ""}`,
  };
}

function sentence(words: string): string {
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/** Names an event: each kind of log counts its offsets from the same numbers. */
export function eventKey({ device, kind, offset }: DeviceEvent): string {
  return `${device}/${kind}/${offset}`;
}
