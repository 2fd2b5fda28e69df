/**
 * The data of a reminder as it comes back over gRPC: google.protobuf.Any of a google.protobuf.BytesValue, whose one
 * field (number 1, length-delimited) holds the JSON that the reminder was registered with.
 */
export type WireAny = { readonly type_url: string; readonly value: Uint8Array };

const bytesValue = "type.googleapis.com/google.protobuf.BytesValue";
const fieldOneBytes = 0x0a;

/** undefined: the reminder was registered without data. @throws BadReminderData */
export function jsonOfAny(data: WireAny | null | undefined): unknown {
  if (data === null || data === undefined || data.value.length === 0) return undefined;
  if (data.type_url !== bytesValue) throw new BadReminderData(`is a ${data.type_url}, not a ${bytesValue}`);
  const bytes = Buffer.from(data.value.buffer, data.value.byteOffset, data.value.byteLength);
  if (bytes[0] !== fieldOneBytes) throw new BadReminderData(`begins with byte ${bytes[0]}, not ${fieldOneBytes}`);
  let at = 1;
  let length = 0;
  for (let factor = 1; ; factor *= 128) {
    const byte = bytes[at++];
    if (byte === undefined) throw new BadReminderData("ends within the length of its field");
    length += (byte & 0x7f) * factor;
    if (byte < 0x80) break;
  }
  if (at + length > bytes.length) throw new BadReminderData(`is cut short: ${bytes.length - at} of ${length} bytes`);
  try {
    return length === 0 ? undefined : (JSON.parse(bytes.toString("utf8", at, at + length)) as unknown);
  } catch (error) {
    throw new BadReminderData("holds no JSON", { cause: error });
  }
}

/** The sidecar handed over a reminder's data in a form that Dapr 1.18 does not use. */
export class BadReminderData extends Error {
  override readonly name = "BadReminderData";
  readonly code = "BAD_REMINDER_DATA";
  readonly retry = "never";

  constructor(what: string, options?: ErrorOptions) {
    super(`The data of a reminder ${what}. Register it anew with JSON data.`, options);
  }
}
