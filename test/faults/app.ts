/** An app over HTTP: wishes for devices' shadows (some on condition of a version), sends and cancels commands. */
import { pick, type Random, seeded } from "../../simulator/random.ts";
import { type HttpAnswer, request } from "./http.ts";
import type { Journal, SentCommand } from "./journal.ts";

export type AppOptions = {
  readonly httpPort: number;
  readonly devices: readonly string[];
  readonly seed: number;
  readonly journal: Journal;
  /** Actions under way at a time. */
  readonly concurrency: number;
  readonly pauseMs: number;
};

const commandNames = ["succeed", "succeed", "slowly", "fail", "reject", "forget", "ignore"] as const;
const retryMs = 150;

export class LoadApp {
  readonly #options: AppOptions;
  readonly #journal: Journal;
  readonly #random: Random;
  readonly #working: Promise<void>[] = [];
  #stopping = false;
  #stopped = false;

  constructor(options: AppOptions) {
    this.#options = options;
    this.#journal = options.journal;
    this.#random = seeded(options.seed, "app");
  }

  start(): void {
    for (let worker = 0; worker < this.#options.concurrency; worker += 1) this.#working.push(this.#work());
  }

  /** Begins nothing more, and resolves when what it began is answered, or given up. */
  async finish(): Promise<void> {
    this.#stopping = true;
    await Promise.all(this.#working);
  }

  /** Gives up at once what is not answered. */
  stop(): void {
    this.#stopping = true;
    this.#stopped = true;
  }

  async #work(): Promise<void> {
    while (!this.#stopping) {
      const device = pick(this.#random, this.#options.devices);
      const roll = this.#random();
      if (roll < 0.4) await this.#wish(device, null);
      else if (roll < 0.5) await this.#wishOnCondition(device);
      else if (roll < 0.9) await this.#command(device);
      else await this.#cancel();
      await pause(this.#options.pauseMs * (0.5 + this.#random()));
    }
  }

  /** Sent once: a second time it would be another update. What has no answer stays in doubt. */
  async #wish(
    device: string,
    ifVersion: number | null,
    shadow = pick(this.#random, ["", "", "settings"]),
  ): Promise<void> {
    const wish = this.#journal.unique();
    const patch = {
      desired: { wish, level: Math.floor(this.#random() * 5), nested: { a: 1, b: this.#random() < 0.5 ? null : "x" } },
    };
    const entry = this.#journal.addUpdate({ device, shadow, mark: wish, by: "app", patch });
    entry.sends += 1;
    const answer = await this.#ask("PATCH", shadowPath(device, shadow), { state: patch }, conditionOf(ifVersion));
    if (answer.kind === "refused") {
      entry.refused = true;
      this.#expect(answer, ifVersion === null ? [] : [412], `PATCH of ${device}'s shadow`);
    }
    if (answer.kind !== "accepted") return;
    entry.acknowledged = true;
    entry.version = (answer.body as { version: number }).version;
  }

  async #wishOnCondition(device: string): Promise<void> {
    const answer = await this.#ask("GET", shadowPath(device, ""));
    if (answer.kind === "accepted") await this.#wish(device, (answer.body as { version: number }).version, "");
  }

  async #command(device: string): Promise<void> {
    const id = `c${this.#journal.unique()}`;
    const name = pick(this.#random, commandNames);
    // What a device ignores or forgets must not fill its ledger for ever: most of those expire.
    const expires = name === "ignore" ? this.#random() < 0.95 : this.#random() < 0.6;
    const expiresInSeconds = expires ? pick(this.#random, [0.2, 1, 3, 3_600]) : undefined;
    const expiresInMs = expiresInSeconds === undefined ? null : expiresInSeconds * 1_000;
    const parameters = { delay: Math.floor(this.#random() * 10) };
    const entry = this.#journal.addCommand({ device, id, name, parameters, expiresInMs });
    for (;;) {
      entry.sends += 1;
      const body = { id, name, parameters, ...(expiresInSeconds !== undefined && { expiresInSeconds }) };
      const answer = await this.#ask("POST", `/v1/devices/${device}/commands`, body);
      if (answer.kind === "accepted") entry.acknowledged = true;
      if (answer.kind === "refused") {
        entry.refused = true;
        // A device that has not come yet, or one with too many open commands.
        this.#expect(answer, [404, 409], `the command ${id} of ${device}`);
      }
      if (answer.kind !== "inDoubt" || this.#stopped) return;
      await pause(retryMs);
    }
  }

  async #cancel(): Promise<void> {
    const command = pick(this.#random, [...this.#journal.commands.values()].slice(-30)) as SentCommand | undefined;
    if (command === undefined || !command.acknowledged) return;
    command.cancel ??= { sends: 0, outcome: "inDoubt" };
    command.cancel.sends += 1;
    const answer = await this.#ask("POST", `/v1/devices/${command.device}/commands/${command.id}/cancel`, {});
    if (answer.kind === "accepted") command.cancel.outcome = "accepted";
    if (answer.kind === "refused" && command.cancel.outcome === "inDoubt") {
      command.cancel.outcome = command.cancel.sends === 1 ? "refused" : "inDoubt";
      this.#expect(answer, [409], `the cancel of ${command.id}`);
    }
  }

  #ask(method: string, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<HttpAnswer> {
    return request(this.#options.httpPort, method, path, body, headers);
  }

  #expect(answer: Extract<HttpAnswer, { kind: "refused" }>, statuses: readonly number[], what: string): void {
    if (statuses.includes(answer.status)) return;
    this.#journal.surprises.push(`${what} was refused: ${answer.status} ${JSON.stringify(answer.body)}`);
  }
}

function shadowPath(device: string, shadow: string): string {
  return `/v1/devices/${device}/shadow${shadow === "" ? "" : `?name=${shadow}`}`;
}

function conditionOf(version: number | null): Record<string, string> {
  return version === null ? {} : { "if-match": `"${version}"` };
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
