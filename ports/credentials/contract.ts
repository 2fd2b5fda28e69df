import { describe, expect, onTestFinished, test } from "vitest";
import type { CredentialSources, Credentials } from "./port.ts";

export type OpenedCredentials = {
  readonly credentials: Credentials;
  /** Everything that is stored, as text. */
  readonly stored: () => Promise<string>;
  readonly close: () => Promise<void>;
};

/** The promises of `Credentials` (port.ts) as tests. */
export function credentialsContract(
  name: string,
  open: (sources: CredentialSources) => Promise<OpenedCredentials>,
): void {
  async function opened() {
    let nowMs = 1_700_000_000_000;
    let ids = 0;
    const newId = () => {
      ids += 1;
      return `credential-${ids}`;
    };
    const whole = await open({ nowMs: () => nowMs, newId });
    onTestFinished(whole.close);
    const later = (ms: number) => {
      nowMs += ms;
    };
    return { ...whole, later };
  }

  describe(`${name} as Credentials`, () => {
    test("a device's token speaks for that device and no other", async () => {
      const { credentials } = await opened();
      const { secret } = await credentials.create("device", "pump-4");
      expect(await credentials.verify("device", secret, "pump-4")).toBe("pump-4");
      expect(await credentials.verify("device", secret, "pump-5")).toBeNull();
      expect(await credentials.verify("device", secret, "pump-4\0")).toBeNull();
      expect(await credentials.verify("device", secret)).toBeNull();
    });

    test("an app's key tells the app's name, without a claim", async () => {
      const { credentials } = await opened();
      const { secret } = await credentials.create("app", "night shift");
      expect(await credentials.verify("app", secret)).toBe("night shift");
      expect(await credentials.verify("app", secret, "day shift")).toBeNull();
    });

    test("a device's token is no app key, nor the other way round", async () => {
      const { credentials } = await opened();
      const device = await credentials.create("device", "pump-4");
      const app = await credentials.create("app", "pump-4");
      expect(await credentials.verify("app", device.secret)).toBeNull();
      expect(await credentials.verify("device", app.secret, "pump-4")).toBeNull();
    });

    test("what was never made is refused, whatever it looks like", async () => {
      const { credentials } = await opened();
      const { secret } = await credentials.create("app", "night shift");
      const other = secret.slice(0, -2) + (secret.at(-2) === "A" ? "B" : "A") + secret.at(-1);
      for (const text of [
        "",
        "\0",
        "dpl_a_",
        other,
        ` ${secret}`,
        `${secret}\n`,
        secret.toUpperCase(),
        "a".repeat(10_000),
      ]) {
        expect(await credentials.verify("app", text)).toBeNull();
      }
    });

    test("secrets carry their kind in a prefix and 256 bits, and none comes twice", async () => {
      const { credentials } = await opened();
      const secrets = [];
      for (let count = 0; count < 20; count += 1) secrets.push((await credentials.create("device", "pump-4")).secret);
      for (const secret of secrets) expect(secret).toMatch(/^dpl_d_[A-Za-z0-9_-]{43}$/);
      expect(new Set(secrets).size).toBe(20);
      expect((await credentials.create("app", "night shift")).secret).toMatch(/^dpl_a_/);
    });

    test("the secret is not in the store", async () => {
      const { credentials, stored } = await opened();
      const { secret } = await credentials.create("device", "pump-4");
      const text = await stored();
      expect(text).toContain("pump-4");
      expect(text).not.toContain(secret);
      expect(text).not.toContain(secret.slice("dpl_d_".length));
    });

    test("a revoked secret is refused at once, and the subject's other one still works", async () => {
      const { credentials, later } = await opened();
      const old = await credentials.create("device", "pump-4");
      later(1_000);
      const fresh = await credentials.create("device", "pump-4");
      later(1_000);
      expect(await credentials.revoke(old.credential.id)).toBe(true);
      expect(await credentials.verify("device", old.secret, "pump-4")).toBeNull();
      expect(await credentials.verify("device", fresh.secret, "pump-4")).toBe("pump-4");
      expect(await credentials.list("device", "pump-4")).toEqual([
        { ...old.credential, revokedAtMs: 1_700_000_002_000 },
        { ...fresh.credential, createdAtMs: 1_700_000_001_000, revokedAtMs: null },
      ]);
    });

    test("revoking twice, or what is not there, says so", async () => {
      const { credentials } = await opened();
      const { credential } = await credentials.create("app", "night shift");
      expect(await credentials.revoke(credential.id)).toBe(true);
      expect(await credentials.revoke(credential.id)).toBe(false);
      expect(await credentials.revoke("nothing")).toBe(false);
    });

    test("the list holds one kind, or one subject of it, oldest first", async () => {
      const { credentials } = await opened();
      for (const subject of ["pump-5", "pump-4", "pump-5"]) await credentials.create("device", subject);
      await credentials.create("app", "pump-4");
      const subjects = async (subject?: string) =>
        (await credentials.list("device", subject)).map(({ id, subject }) => `${id} ${subject}`);
      expect(await subjects()).toEqual(["credential-1 pump-5", "credential-2 pump-4", "credential-3 pump-5"]);
      expect(await subjects("pump-4")).toEqual(["credential-2 pump-4"]);
      expect(await subjects("pump-6")).toEqual([]);
    });
  });
}
