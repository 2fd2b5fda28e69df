/** The documents, held to the code: links resolve, and lists of options, metrics and reasons are those that there are. */
import { execFileSync } from "node:child_process";
import { existsSync, globSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { expect, test } from "vitest";
import { roleHelp, roles } from "../role-config.ts";

const root = join(import.meta.dirname, "..");
const read = (path: string) => readFileSync(join(root, path), "utf8");
const sources = (pattern: string) =>
  globSync(pattern, { cwd: root }).filter((path) => !path.endsWith(".test.ts") && !path.includes("node_modules"));
const documents = globSync("{*.md,{docs,deploy,components,dapr,bench,test}/**/*.md}", { cwd: root });

test.each(documents)("every relative link of %s leads somewhere", (document) => {
  const broken = linksOf(read(document)).filter((link) => {
    if (/^[a-z]+:/.test(link)) return false;
    const [path = "", anchor] = link.split("#", 2);
    const target = path === "" ? document : relative(root, join(root, dirname(document), path));
    if (!existsSync(join(root, target))) return true;
    return anchor !== undefined && !anchorsOf(read(target)).includes(anchor);
  });
  expect(broken).toEqual([]);
});

test("docs/operations.md shows the options as --help prints them", () => {
  const help = execFileSync(process.execPath, [join(root, "start.ts"), "--help"], { encoding: "utf8" });
  expect(read("docs/operations.md"), "Copy what node start.ts --help prints").toContain(
    `\`\`\`text\n${help.trimEnd()}\n`,
  );
});

test.each([...roles, "topics", "schemas"] as const)(
  "docs/operations.md shows the options of %s as --help prints them",
  (role) => {
    expect(read("docs/operations.md"), `Copy what roleHelp("${role}") of role-config.ts returns`).toContain(
      `\`\`\`text\n${roleHelp(role).trimEnd()}\n`,
    );
  },
);

test("docs/operations.md names every metric, and no other", () => {
  const counted = sources("{ports,actors,gateways,sinks,apis}/**/*.ts")
    .concat("run.ts")
    .flatMap((path) => {
      return [...read(path).matchAll(/"(doppel_[a-z_]+)"/g)].map(([, name]) => name);
    });
  const described = tableIn("docs/operations.md", "Metrics");
  expect(described.toSorted()).toEqual([...new Set(counted)].toSorted());
});

test("docs/protocol.md names every reason of a dead letter, and no other", () => {
  const union = (path: string, type: string) => {
    const body = new RegExp(`export type ${type} =([^;]*);`).exec(read(path))?.[1] ?? "";
    return [...body.matchAll(/"([a-z0-9-]+)"/g)].map(([, reason]) => reason!);
  };
  const literal = (path: string, pattern: RegExp) => [...read(path).matchAll(pattern)].map(([, reason]) => reason!);
  const reasons = [
    ...union("core/device/telemetry.ts", "RefusalReason"),
    ...union("core/device/commands.ts", "CommandRefusalReason"),
    ...sources("gateways/mqtt/*.ts").flatMap((path) => literal(path, /reason: "([a-z]+-[a-z-]+)"/g)),
    ...sources("actors/host/*.ts").flatMap((path) => literal(path, /reason = "([a-z-]+)"/g)),
    ...literal("actors/device/turns-wire.ts", /twinUnreadable = "([a-z-]+)"/g),
  ];
  expect(reasons).toContain("turn-failed");
  expect(tableIn("docs/protocol.md", "Refusals").toSorted()).toEqual([...new Set(reasons)].toSorted());
});

test("docs/protocol.md names every violation that ends a connection", () => {
  const paragraph = section(read("docs/protocol.md"), "Refusals");
  const made = sources("gateways/mqtt/listener/*.ts").flatMap((path) => [
    ...[...read(path).matchAll(/violation\("([^"]+)"/g)].map(([, reason]) => reason!),
    ...[...read(path).matchAll(/^export type \w*Problem = ([^;]*);/gm)].flatMap(([, union]) =>
      [...union!.matchAll(/"([^"]+)"/g)].map(([, reason]) => reason!),
    ),
  ]);
  expect(made.length).toBeGreaterThan(5);
  for (const reason of new Set(made)) expect(paragraph).toContain(`\`${reason}\``);
});

test("docs/protocol.md says the limits that hold", async () => {
  const { defaultLimits } = await import("../gateways/mqtt/listener/limits.ts");
  const { defaultPolicy } = await import("../core/device/policy.ts");
  const limits = section(read("docs/protocol.md"), "Limits");
  const numbers = [
    defaultLimits.maxPacketBytes,
    defaultLimits.maxUndecided,
    defaultLimits.receiveMaximum,
    defaultLimits.maxInflight,
    defaultLimits.maxQueuedMessages,
    defaultLimits.maxKeptSessions,
    defaultLimits.maxSubscriptionsPerSession,
    defaultPolicy.shadowMaxBytes,
    defaultPolicy.shadowMaxDepth,
    defaultPolicy.maxOpenCommands,
  ];
  for (const number of numbers) expect(limits).toMatch(new RegExp(`\\b${number.toLocaleString("en-GB")}\\b`));
});

function linksOf(markdown: string): string[] {
  return [...withoutCode(markdown).matchAll(/\]\(([^)\s]+)\)/g)].map(([, link]) => link!);
}

/** As GitHub makes them of headings. */
function anchorsOf(markdown: string): string[] {
  return [...withoutCode(markdown).matchAll(/^#+ +(.*)$/gm)].map(([, heading]) =>
    heading!
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, "")
      .replaceAll(" ", "-"),
  );
}

function withoutCode(markdown: string): string {
  return markdown.replace(/^```[\s\S]*?^```/gm, "");
}

function section(markdown: string, heading: string): string {
  const start = markdown.indexOf(`\n## ${heading}\n`);
  const end = markdown.indexOf("\n## ", start + 1);
  return markdown.slice(start, end < 0 ? undefined : end);
}

/** The names in the first column of the section's table. */
function tableIn(document: string, heading: string): string[] {
  return [...section(read(document), heading).matchAll(/^\| `([^`]+)` \|/gm)].map(([, name]) => name!);
}
