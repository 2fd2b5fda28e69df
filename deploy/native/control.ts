/**
 * How `npm run native` reaches the process that runs the system: HTTP on loopback, on a port and with a token that only
 * the owner of `state.json` can read.
 */
import { randomBytes, timingSafeEqual } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { carryOut, type Order } from "./steering.ts";
import type { NativeSystem } from "./system.ts";

export type Control = { readonly port: number; readonly token: string; close(): void };

/** The order was not carried out; the message says why. */
export class OrderFailed extends Error {
  override readonly name = "OrderFailed";
  readonly code = "ORDER_FAILED";
  readonly retry = "never";
}

const limitBytes = 4_096;

export async function openControl(system: NativeSystem): Promise<Control> {
  const token = randomBytes(24).toString("base64url");
  const server = createServer((request, response) => {
    answer(system, token, request, response).catch((error: Error) => end(response, 400, error.message));
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", resolve);
  });
  return { port: (server.address() as AddressInfo).port, token, close: () => void server.close() };
}

async function answer(system: NativeSystem, token: string, request: IncomingMessage, response: ServerResponse) {
  if (!isToken(request.headers.authorization ?? "", `Bearer ${token}`)) return end(response, 401, "Who are you?");
  let body = "";
  for await (const chunk of request) {
    body += chunk;
    if (body.length > limitBytes) return end(response, 413, "Too long.");
  }
  end(response, 200, await carryOut(system, JSON.parse(body) as Order));
}

function isToken(given: string, wanted: string): boolean {
  const [a, b] = [Buffer.from(given), Buffer.from(wanted)];
  return a.length === b.length && timingSafeEqual(a, b);
}

function end(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, { "content-type": "text/plain; charset=utf-8" }).end(text);
}

/** Resolves with what was done. @throws OrderFailed */
export async function order(control: Pick<Control, "port" | "token">, wanted: Order): Promise<string> {
  const response = await fetch(`http://127.0.0.1:${control.port}/`, {
    method: "POST",
    headers: { authorization: `Bearer ${control.token}` },
    body: JSON.stringify(wanted),
  });
  const text = await response.text();
  if (!response.ok) throw new OrderFailed(text);
  return text;
}
