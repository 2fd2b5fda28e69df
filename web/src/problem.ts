/** A failed request, in words fit for a person: from an RFC 9457 problem document where there is one. */
export class Problem extends Error {
  override readonly name = "Problem";
  readonly status: number;
  readonly title: string;
  /** One line per refused field: "tags.room: needs a string". */
  readonly fields: string[];

  constructor(status: number, title: string, detail: string, fields: string[] = []) {
    super(detail);
    this.status = status;
    this.title = title;
    this.fields = fields;
  }
}

/** Reads the answer's body; anything that is not a problem document becomes one that names the status. */
export function problemFrom(status: number, body: unknown): Problem {
  if (typeof body !== "object" || body === null) {
    return new Problem(status, `The server answered ${status}`, "It gave no reason. Its log may say more.");
  }
  const { title, detail, errors } = body as { title?: unknown; detail?: unknown; errors?: unknown };
  return new Problem(
    status,
    typeof title === "string" ? title : `The server answered ${status}`,
    typeof detail === "string" ? detail : "",
    Array.isArray(errors) ? errors.map(fieldLine) : [],
  );
}

/** What to show for anything thrown by a request. */
export function asProblem(error: unknown): Problem {
  if (error instanceof Problem) return error;
  const reason = error instanceof Error ? error.message : String(error);
  return new Problem(0, "The server cannot be reached", `Is Doppel running? The browser says: ${reason}`);
}

function fieldLine(error: unknown): string {
  if (typeof error === "string") return error;
  if (typeof error !== "object" || error === null) return String(error);
  const { path, pointer, message, detail, line, reason } = error as Record<string, unknown>;
  const where = Array.isArray(path) ? path.join(".") : (path ?? pointer ?? (line === undefined ? "" : `line ${line}`));
  const what = message ?? detail ?? reason ?? JSON.stringify(error);
  return where ? `${where}: ${what}` : String(what);
}
