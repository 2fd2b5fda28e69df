/**
 * Reads the lines of a registry import, CSV or JSON lines, as they stream in: each is a device to register or the
 * reason why it is refused. Holds one line at a time.
 */
import { Readable } from "node:stream";
import { parse } from "csv-parse";
import type { RegistrationPatch } from "../core/device/registration.ts";
import { NewDevice, patchOf } from "./devices.ts";
import { jsonErrorPosition } from "./json-position.ts";
import { Problem } from "./problem.ts";

export type ImportLine =
  | { readonly kind: "device"; readonly line: number; readonly id: string; readonly patch: RegistrationPatch }
  | { readonly kind: "refused"; readonly line: number; readonly reason: string };

const maxLineBytes = 65_536;

const csvColumns = ["id", "type", "region", "location", "latitude", "longitude", "firmwareVersion", "firmware_version"];

/** Lines of `application/x-ndjson`: one device object each, as POST /v1/devices takes it. */
export async function* jsonLines(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<ImportLine> {
  let line = 0;
  for await (const text of linesOf(bytes)) {
    line += 1;
    if (text === null) yield { kind: "refused", line, reason: tooLong };
    else if (text.trim() !== "") yield fromJson(text, line);
  }
}

/**
 * Lines of `text/csv` (RFC 4180), the first one naming the columns: id, type, region, location, latitude, longitude,
 * firmwareVersion, and `tag:<name>` for each tag. An empty cell leaves the field as it is.
 * Throws `Problem` if the columns are not these.
 */
export async function* csvLines(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<ImportLine> {
  const broken: { line: number; reason: string }[] = [];
  const records = parse({
    bom: true,
    info: true,
    relax_column_count: true,
    skip_empty_lines: true,
    skip_records_with_error: true,
    on_skip: (error) => {
      if (broken.length >= maxBroken) records.destroy(tooManyBroken);
      else if (error !== undefined)
        broken.push({ line: Number(error.lines ?? 0), reason: `${error.message}${quoteHint}` });
    },
    max_record_size: maxLineBytes,
    trim: true,
  });
  const source = Readable.from(bytes);
  source.on("error", (error) => records.destroy(error));
  source.pipe(records);
  let columns: string[] | null = null;
  try {
    for await (const { record, info } of records as AsyncIterable<{ record: string[]; info: { lines: number } }>) {
      if (columns === null) columns = checkedColumns(record);
      else yield fromCsv(columns, record, info.lines);
    }
  } finally {
    source.destroy();
    records.destroy();
  }
  if (columns === null && broken.length === 0) {
    throw new Problem("invalid-request", "The body is empty. Send a line of column names first.");
  }
  for (const { line, reason } of broken) yield { kind: "refused", line, reason };
}

/** Nobody can tell where the line ends whose quote is wrong. */
const quoteHint = " Lines after a quote that is wrong may be missing: mend it and import again.";

/** Lines that are not even CSV are kept until the end; that many of them are no table. */
const maxBroken = 10_000;
const tooManyBroken = new Problem(
  "invalid-request",
  `More than ${maxBroken} lines are not CSV. The lines before them were taken.`,
);

const tooLong = `The line is over ${maxLineBytes} bytes.`;

function checkedColumns(columns: readonly string[]): string[] {
  const unknown = columns.filter((name) => !csvColumns.includes(name) && !/^tag:./.test(name));
  if (unknown.length > 0) {
    const named = unknown.map((name) => JSON.stringify(name.slice(0, 60))).slice(0, 5);
    throw new Problem(
      "invalid-request",
      `Unknown columns ${named.join(", ")}; there are ${csvColumns.join(", ")} and tag:<name>.`,
    );
  }
  if (!columns.includes("id")) throw new Problem("invalid-request", "The first line needs a column named id.");
  const twice = columns.find((name, index) => columns.indexOf(name) !== index);
  if (twice !== undefined) throw new Problem("invalid-request", `The column ${twice} is there twice.`);
  return [...columns];
}

function fromCsv(columns: readonly string[], cells: readonly string[], line: number): ImportLine {
  if (cells.length !== columns.length) {
    return {
      kind: "refused",
      line,
      reason: `The line has ${cells.length} cells but there are ${columns.length} columns.`,
    };
  }
  const device: Record<string, unknown> = {};
  const location: Record<string, unknown> = {};
  const tags: Record<string, string> = {};
  for (const [index, name] of columns.entries()) {
    const cell = cells[index] ?? "";
    if (cell === "") continue;
    if (name === "latitude" || name === "longitude")
      location[name] = /^[+-]?\d+(\.\d+)?$/.test(cell) ? Number(cell) : cell;
    else if (name === "location") location.name = cell;
    else if (name === "firmware_version") device.firmwareVersion = cell;
    else if (name.startsWith("tag:")) tags[name.slice("tag:".length)] = cell;
    else device[name] = cell;
  }
  if (Object.keys(location).length > 0) device.location = location;
  if (Object.keys(tags).length > 0) device.tags = tags;
  return checked(device, line);
}

function fromJson(text: string, line: number): ImportLine {
  let device: unknown;
  try {
    device = JSON.parse(text);
  } catch {
    const place = jsonErrorPosition(text);
    const where = place === null ? "" : `: unexpected ${place.found} at column ${place.column}`;
    return { kind: "refused", line, reason: `The line is not valid JSON${where}.` };
  }
  return checked(device, line);
}

function checked(device: unknown, line: number): ImportLine {
  const parsed = NewDevice.safeParse(device);
  if (!parsed.success) {
    const reasons = parsed.error.issues
      .slice(0, 3)
      .map(({ path, message }) => (path.length > 0 ? `${path.join("/")}: ${message}` : message));
    return { kind: "refused", line, reason: reasons.join("; ") };
  }
  const { id, ...fields } = parsed.data;
  return { kind: "device", line, id, patch: patchOf(fields) };
}

/** Lines without their ends; null for one that is too long. */
async function* linesOf(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<string | null> {
  const decoder = new TextDecoder();
  let rest = "";
  let overlong = false;
  for await (const chunk of bytes) {
    const parts = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = parts.pop() ?? "";
    for (const part of parts) {
      yield overlong || part.length > maxLineBytes ? null : part;
      overlong = false;
    }
    if (rest.length > maxLineBytes) {
      overlong = true;
      rest = "";
    }
  }
  rest += decoder.decode();
  if (overlong) yield null;
  else if (rest !== "") yield rest;
}
