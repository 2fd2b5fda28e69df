/** The results of `bench/distributed.ts` as Markdown, and what they say against the targets. */
import { type CpuGroup, type CpuSeconds, cpuGroups, sumOf } from "./cpu-groups.ts";
import type { SweepCost } from "./deadline-sweep.ts";
import { affectedMs, type OutageRow } from "./outages.ts";
import type { Pipeline, PipelineRow } from "./pipeline.ts";
import { type CallRow, costGroups, type TurnCost } from "./turn-cost.ts";

/** The target of the pipeline counts these: ours and Dapr's, with the stores of the twins; broker and log apart. */
export const ourGroups: readonly CpuGroup[] = [
  "gateways",
  "gateways' daprd",
  "hosts' daprd",
  "hosts",
  "PostgreSQL",
  "Redis",
];

/** CPU µs of a call over all that take part in it, but for the broker and the caller. */
export function cpuOfCall(row: CallRow, groups: readonly (typeof costGroups)[number][] = costGroups): number {
  return groups.reduce((sum, group) => sum + row.cpu[group], 0);
}

export function callTables({ rows, twinBytes, receiptBytes, rounds }: TurnCost): string[] {
  const head = ["call", "calls/s", "messages/s", "p50 / p99 ms", ...costGroups.map((group) => `${group} µs`)];
  const body = rows.map((row) => [
    row.name,
    whole(row.callsPerSecond),
    whole(row.callsPerSecond * row.messagesPerCall),
    `${row.p50Ms.toFixed(1)} / ${row.p99Ms.toFixed(1)}`,
    ...costGroups.map((group) => whole(row.cpu[group])),
    whole(cpuOfCall(row)),
    whole(cpuOfCall(row) / row.messagesPerCall),
    `${whole(row.apart.broker)}; ${whole(row.apart.caller)}`,
  ]);
  const write = rows.find(({ name }) => name.includes("state write"));
  const ratios = rows
    .filter(({ name }) => name.startsWith("shadow update"))
    .map((row) => {
      const ratio = (groups: readonly (typeof costGroups)[number][]) =>
        (cpuOfCall(row, groups) / row.messagesPerCall / cpuOfCall(write!, groups)).toFixed(2);
      const others = costGroups.filter((group) => group !== "Kafka");
      return [row.name, ratio(costGroups), ratio(others)];
    });
  return [
    `A stored twin has ${whole(twinBytes)} bytes and ${whole(receiptBytes)} of receipts. ${rounds} rounds, each call once in each.`,
    table([...head, "µs per call", "µs per message", "apart: broker; caller µs"], body),
    table(["durable turn, per message ÷ raw call with a state write", "all", "without Kafka"], ratios),
  ];
}

export function pipelineTable({ rows, idle }: Pipeline): string[] {
  const groups = cpuGroups.filter((group) => rows.some(({ cpu }) => cpu[group] >= 0.05));
  const head = ["CPU s per 100k messages", ...rows.map(({ name }) => name), "idle: CPU ms per s"];
  const line = (name: string, value: (row: PipelineRow) => string, resting: readonly CpuGroup[] = []) => [
    name,
    ...rows.map(value),
    resting.length === 0 ? "" : whole(sumOf(idle, resting) * 1_000),
  ];
  return [
    table(head, [
      line("messages/s", (row) => whole(row.perSecond)),
      line("messages in a call of a twin", (row) => row.batch.toFixed(1)),
      ...groups.map((group) => line(group, ({ cpu }) => cpu[group].toFixed(1), [group])),
      line("**gateways, hosts, daprds, PostgreSQL, Redis**", ({ cpu }) => sumOf(cpu, ourGroups).toFixed(1), ourGroups),
      line("all", ({ cpu }) => sumOf(cpu, cpuGroups).toFixed(1), cpuGroups),
      line("apart: load generator", (row) => row.generatorCpu.toFixed(1)),
      line("through after the last was sent, s", (row) => row.drainSeconds.toFixed(1)),
      line("a bystander's shadow/get, p50 / p99 ms", (row) => `${whole(row.getP50Ms)} / ${whole(row.getP99Ms)}`),
    ]),
  ];
}

export function outageTable(rows: readonly OutageRow[]): string[] {
  const head = [
    "killed with -9",
    "devices: longest time without an answer, s",
    "longest wait for one, s",
    `of 40 affected (> ${affectedMs} ms)`,
    "unanswered; refused",
    "API: longest time without an answer, s",
    "failed",
    "all answered again after, s",
    "all processes ready after, s",
  ];
  const body = rows.map(({ kind, devices, reads, allAgainMs, readyMs }) => [
    kind,
    seconds(devices.longestGapMs),
    seconds(devices.longestWaitMs),
    String(devices.affected),
    `${devices.unanswered}; ${devices.refused}`,
    seconds(reads.longestGapMs),
    String(reads.unanswered),
    seconds(allAgainMs),
    seconds(readyMs),
  ]);
  return [table(head, body)];
}

const sweepGroups: readonly CpuGroup[] = [
  "hosts",
  "hosts' daprd",
  "placement, scheduler",
  "PostgreSQL",
  "Redis",
  "Kafka",
];

export function sweepTables({ idle, waking }: SweepCost): string[] {
  const cells = (cpu: CpuSeconds, digits: number) => sweepGroups.map((group) => cpu[group].toFixed(digits));
  const tables = [
    table(
      ["2 hosts, no traffic: CPU s per minute", ...sweepGroups, "all but Kafka"],
      idle.map(({ name, cpu }) => {
        const own = sweepGroups.filter((group) => group !== "Kafka");
        return [name, ...cells(cpu, 2), sumOf(cpu, own).toFixed(2)];
      }),
    ),
  ];
  const { twins, cpu } = waking;
  return [
    ...tables,
    table(
      ["twins of a dead host woken", "after s", "per second", ...sweepGroups.map((group) => `${group}, CPU s`)],
      [[whole(twins), waking.seconds.toFixed(1), whole(twins / waking.seconds), ...cells(cpu, 1)]],
    ),
  ];
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const lines = [head, head.map(() => "---"), ...rows].map((cells) => `| ${cells.join(" | ")} |`);
  return lines.join("\n");
}

function whole(number: number): string {
  return Math.round(number).toLocaleString("en");
}

function seconds(ms: number): string {
  return (ms / 1_000).toFixed(ms < 10_000 ? 2 : 1);
}
