/** Requests to the API as an app makes them: an answer, or none within the time, which leaves all in doubt. */

export type HttpAnswer =
  | { readonly kind: "accepted"; readonly status: number; readonly body: unknown }
  | { readonly kind: "refused"; readonly status: number; readonly body: unknown }
  /** No answer, or one that says nothing of the request's fate (5xx). */
  | { readonly kind: "inDoubt"; readonly why: string };

const limitMs = 5_000;

export async function request(
  port: number,
  method: string,
  path: string,
  body?: unknown,
  headers: Record<string, string> = {},
): Promise<HttpAnswer> {
  try {
    const response = await fetch(`http://127.0.0.1:${port}${path}`, {
      method,
      headers: { ...(body === undefined ? {} : { "content-type": "application/json" }), ...headers },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(limitMs),
    });
    const text = await response.text();
    const { status } = response;
    if (status >= 500) return { kind: "inDoubt", why: `${status} ${text.slice(0, 200)}` };
    const answer: unknown = text === "" ? null : JSON.parse(text);
    return status < 300 ? { kind: "accepted", status, body: answer } : { kind: "refused", status, body: answer };
  } catch (error) {
    return { kind: "inDoubt", why: (error as Error).message };
  }
}

/** The body of a request that has to be answered. Throws if it is not. */
export async function get<Body>(port: number, path: string): Promise<Body> {
  const answer = await request(port, "GET", path);
  if (answer.kind === "accepted") return answer.body as Body;
  const why = answer.kind === "refused" ? `${answer.status} ${JSON.stringify(answer.body)}` : answer.why;
  throw new Error(`GET ${path} was not answered: ${why}`);
}
