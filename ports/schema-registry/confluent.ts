/**
 * A registry server with Confluent's HTTP API: Confluent Schema Registry, Apicurio (/apis/ccompat/v7), Karapace, Redpanda.
 * Facts: Confluent Platform 8.0, "Schema Registry API Reference"; Apicurio Registry 3.3.3 as it answers.
 *
 * The server judges what is compatible (S3). It is told per subject to do so by BACKWARD: a server's own default may be
 * NONE (Apicurio), and belongs to others too.
 */
import { Agent, fetch as fetchWith } from "undici";
import { BadSchema, type Compatibility, IncompatibleSchema, RegistryAway, type SchemaRegistry } from "./port.ts";

export type ConfluentOptions = {
  /** Base of the API, with user and password where it wants them. */
  readonly url: string;
  /** PEM: who signed its certificate; none: whom Node trusts. */
  readonly ca?: string;
  /** Per request; 5,000. */
  readonly timeoutMs?: number;
};

type Answer = { readonly status: number; readonly body: Readonly<Record<string, unknown>> };

/** Asks nothing before it is asked. */
export function openConfluentSchemaRegistry({ url, ca, timeoutMs = 5_000 }: ConfluentOptions): SchemaRegistry {
  const { base, authorization } = parsed(url);
  const send = ca === undefined ? fetch : trusting(ca);
  /** Subjects that the server judges by BACKWARD. */
  const judged = new Set<string>();

  async function ask(method: "GET" | "POST" | "PUT", path: string, body?: unknown): Promise<Answer> {
    try {
      const response = await send(`${base}${path}`, {
        method,
        headers: {
          "content-type": "application/vnd.schemaregistry.v1+json",
          accept: "application/vnd.schemaregistry.v1+json, application/json",
          ...authorization,
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        signal: AbortSignal.timeout(timeoutMs),
      });
      const text = await response.text();
      return { status: response.status, body: (text === "" ? {} : JSON.parse(text)) as Answer["body"] };
    } catch (cause) {
      const why = (cause as Error & { cause?: Error }).cause?.message || (cause as Error).message;
      throw new RegistryAway(`The schema registry at ${base} does not answer: ${why}. Is SCHEMA_REGISTRY_URL right?`, {
        cause,
      });
    }
  }

  function unexpected(asked: string, { status, body }: Answer): RegistryAway {
    return new RegistryAway(
      `The schema registry at ${base} answered ${asked} with ${status}: ${String(body.message ?? "").slice(0, 300)}. ` +
        "Is SCHEMA_REGISTRY_URL right?",
    );
  }

  async function judgeBackward(subject: string): Promise<void> {
    if (judged.has(subject)) return;
    const path = `/config/${encodeURIComponent(subject)}`;
    let answer = await ask("PUT", path, { compatibility: "BACKWARD" });
    // Apicurio: somebody else is just saying the same.
    for (let again = 0; answer.status === 409 && again < 3; again += 1)
      answer = await ask("PUT", path, { compatibility: "BACKWARD" });
    if (answer.status === 200) judged.add(subject);
    else if (answer.status !== 404) throw unexpected(`PUT ${path}`, answer); // 404: there is no such subject yet
  }

  async function check(subject: string, schema: string): Promise<Compatibility> {
    await judgeBackward(subject);
    const name = encodeURIComponent(subject);
    const known = await ask("POST", `/subjects/${name}`, { schema });
    if (known.status === 200) return { kind: "compatible" }; // S3
    const path = `/compatibility/subjects/${name}/versions/latest?verbose=true`;
    const answer = await ask("POST", path, { schema });
    if (answer.status === 404) return { kind: "compatible" }; // the first version
    if (answer.status === 422) throw notAvro(answer, schema);
    if (answer.status !== 200) throw unexpected(`POST ${path}`, answer);
    if (answer.body.is_compatible === true) return { kind: "compatible" };
    const messages = Array.isArray(answer.body.messages) ? answer.body.messages.join("; ") : "";
    return { kind: "incompatible", detail: messages || "the registry says no more" };
  }

  return {
    check,
    async register(subject, schema) {
      await judgeBackward(subject);
      const path = `/subjects/${encodeURIComponent(subject)}/versions`;
      let answer = await ask("POST", path, { schema });
      // Where two register the same at once Apicurio may tell one of them of a conflict that is none.
      for (let again = 0; answer.status === 409 && again < 3; again += 1) {
        if ((await check(subject, schema)).kind === "incompatible")
          throw new IncompatibleSchema(subject, String(answer.body.message ?? "it says no more"));
        answer = await ask("POST", path, { schema });
      }
      if (answer.status === 422) throw notAvro(answer, schema);
      if (answer.status !== 200 || typeof answer.body.id !== "number") throw unexpected(`POST ${path}`, answer);
      await judgeBackward(subject);
      return answer.body.id;
    },

    async schema(id) {
      const answer = await ask("GET", `/schemas/ids/${id}`);
      if (answer.status === 404) return null;
      if (answer.status !== 200 || typeof answer.body.schema !== "string")
        throw unexpected(`GET /schemas/ids/${id}`, answer);
      return answer.body.schema;
    },
  };
}

function notAvro({ body }: Answer, schema: string): BadSchema {
  return new BadSchema(
    `The schema registry takes this for no Avro schema: ${String(body.message ?? "")}. It begins with ${schema.slice(0, 60)}`,
  );
}

/** Node's own fetch cannot be told whom to trust. */
function trusting(ca: string): (url: string, request: RequestInit) => Promise<Pick<Response, "status" | "text">> {
  const dispatcher = new Agent({ connect: { ca } });
  return (url, request) => fetchWith(url, { ...(request as Parameters<typeof fetchWith>[1]), dispatcher });
}

/** fetch takes no URL with a password in it. */
function parsed(url: string): { base: string; authorization: Record<string, string> } {
  const { username, password, origin, pathname } = new URL(url);
  const base = `${origin}${pathname.replace(/\/+$/, "")}`;
  if (username === "") return { base, authorization: {} };
  const pair = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  return { base, authorization: { authorization: `Basic ${Buffer.from(pair).toString("base64")}` } };
}
