import type { Send } from "../device/inputs.ts";
import { unreachable } from "../unreachable.ts";
import { answerTopic, deltaTopic, documentsTopic } from "./shadow-wire.ts";
import { commandsTopic } from "./topics.ts";

/** Topic and body of what a twin sends to its device. */
export function addressedSend(device: string, send: Send): [string, unknown] {
  switch (send.kind) {
    case "command": {
      const { command: id, name, parameters, expiresAtMs } = send;
      const expiresAt = expiresAtMs === null ? null : new Date(expiresAtMs).toISOString();
      return [commandsTopic(device), { id, name, parameters, expiresAt }];
    }
    case "commandCancelled":
      return [commandsTopic(device), { id: send.command, cancel: true }];
    case "shadowAnswer":
      return [answerTopic(device, send.shadow, send.answer), send.answer.body];
    case "shadowDelta":
      return [deltaTopic(device, send.shadow), send.body];
    case "shadowDocuments":
      return [documentsTopic(device, send.shadow), send.body];
    default:
      return unreachable(send);
  }
}
