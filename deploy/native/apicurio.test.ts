import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { ApicurioInstallFailed, apicurioInstallation } from "./apicurio-install.ts";

test("where nothing is that it needs, it says what to install", async () => {
  const cache = mkdtempSync(join(tmpdir(), "doppel-apicurio-"));
  onTestFinished(() => rmSync(cache, { recursive: true, force: true }));
  const env = { PATH: "/nowhere", DOPPEL_CACHE: cache };
  const failure = await apicurioInstallation(() => {}, env).catch((error: unknown) => error);
  expect(failure).toBeInstanceOf(ApicurioInstallFailed);
  expect(failure).toMatchObject({ name: "ApicurioInstallFailed", code: "APICURIO_INSTALL_FAILED", retry: "never" });
  expect((failure as Error).message).toMatch(
    /needs pip, and "python3" does not run here.*apt-get install.*DOPPEL_TEST_/,
  );
});
