/**
 * Reads the lines of a registry import, CSV or JSON lines, as they stream in: each is a device to register or the
 * reason why it is refused. Holds one line at a time.
 */
import { CsvError, parse } from "csv-parse/sync";
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
 * Records of `text/csv` (RFC 4180), the first one naming the columns: id, type, region, location, latitude, longitude,
 * firmwareVersion, and `tag:<name>` for each tag. An empty cell leaves the field as it is.
 * Throws `Problem` if the columns are not these.
 */
export async function* csvLines(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<ImportLine> {
  let columns: string[] | null = null;
  for await (const { line, text } of csvRecords(bytes)) {
    const cells = text === null ? null : cellsOf(text);
    if (cells === null || "reason" in cells) {
      const reason = text === null ? tooLong : (cells?.reason ?? tooLong);
      if (columns === null) throw new Problem("invalid-request", `The line of column names is not CSV: ${reason}`);
      yield { kind: "refused", line, reason };
    } else if (cells.cells.length === 0) {
      // An empty line.
    } else if (columns === null) columns = checkedColumns(cells.cells);
    else yield fromCsv(columns, cells.cells, line);
  }
  if (columns === null) throw new Problem("invalid-request", "The body is empty. Send a line of column names first.");
}

/**
 * Each record with its first line; null for one that is too long. A record goes over several lines where a quote is
 * open at their ends. A quote that is never closed costs its own line only: the lines after it stand for themselves.
 */
async function* csvRecords(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<{ line: number; text: string | null }> {
  let open: { line: number; text: string }[] = [];
  let length = 0;
  let line = 0;
  for await (const text of linesOf(bytes)) {
    line += 1;
    if (text === null) {
      yield* open;
      yield { line, text };
      open = [];
      length = 0;
      continue;
    }
    const closes = text.split('"').length % 2 === 1;
    if (open.length === 0 && closes) {
      yield { line, text };
      continue;
    }
    open.push({ line, text });
    length += text.length;
    const ends = open.length > 1 && !closes;
    if (ends) yield { line: open[0]?.line ?? line, text: open.map((each) => each.text).join("\n") };
    // Too long for one record: each of its lines is tried alone. All but the first have their quotes in pairs.
    else if (length > maxLineBytes) yield* open;
    else continue;
    open = [];
    length = 0;
  }
  yield* open;
}

/** One record's cells, none for an empty line. */
function cellsOf(text: string): { cells: string[] } | { reason: string } {
  try {
    const [cells = []] = parse(text, {
      bom: true,
      trim: true,
      skip_empty_lines: true,
      record_delimiter: ["\r\n", "\n"],
    });
    return { cells };
  } catch (error) {
    if (error instanceof CsvError) return { reason: `${error.message.slice(0, 200)}.` };
    throw error;
  }
}

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
  for await (const chunk of bytes) {
    const [first = "", ...others] = decoder.decode(chunk, { stream: true }).split("\n");
    // Of a line that is too long only so much is kept that it can be told.
    if (rest.length <= maxLineBytes) rest += first;
    for (const next of others) {
      yield rest.length > maxLineBytes ? null : rest;
      rest = next;
    }
  }
  rest += decoder.decode();
  if (rest !== "") yield rest.length > maxLineBytes ? null : rest;
}
