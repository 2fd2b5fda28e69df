/** What can be taken away from a running native system, and how it is brought back. */
import type { NativeSystem } from "./system.ts";

export type Outage = {
  /** For the command line: "kafka-pause". */
  readonly name: string;
  readonly title: string;
  readonly how: string;
  readonly begin: (system: NativeSystem) => Promise<void>;
  readonly end: (system: NativeSystem) => Promise<void>;
};

const host = ["actors-1", "actors-1-daprd"];

export const outages: readonly Outage[] = [
  killed("kafka", "Kafka"),
  paused("kafka", "Kafka"),
  killed("redis", "Redis"),
  paused("redis", "Redis"),
  killed("postgres", "PostgreSQL"),
  paused("postgres", "PostgreSQL"),
  killed("placement", "placement"),
  paused("placement", "placement"),
  killed("scheduler", "scheduler"),
  paused("scheduler", "scheduler"),
  killed("mosquitto", "mosquitto"),
  paused("mosquitto", "mosquitto"),
  killed("host", "a host of three: application and sidecar", host),
  paused("host", "a host of three: application and sidecar", host),
  killed("actors", "the application of a host", ["actors-1"]),
  paused("actors", "the application of a host", ["actors-1"]),
  killed("sidecar", "the sidecar of a host", ["actors-1-daprd"]),
  paused("sidecar", "the sidecar of a host", ["actors-1-daprd"]),
  killed("gateway", "a gateway of two", ["gateways-1"]),
  paused("gateway", "a gateway of two", ["gateways-1"]),
  killed("gateway-sidecar", "the sidecar of a gateway", ["gateways-1-daprd"]),
  killed("sinks", "sinks", ["sinks-1"]),
  killed("apis", "apis", ["apis-1"]),
  killed("apis-sidecar", "the sidecar of apis", ["apis-1-daprd"]),
  {
    ...{ name: "add-host", title: "nothing: a fourth host", how: "`scale actors 4`" },
    begin: (system) => system.scale("actors", 4),
    end: async () => {},
  },
  {
    ...{ name: "take-host", title: "a host of four", how: "`scale actors 3`" },
    begin: (system) => system.scale("actors", 3),
    end: async () => {},
  },
  {
    ...{ name: "upgrade", title: "each process with a sidecar in turn", how: "stopped and started" },
    async begin(system) {
      for (const role of ["actors", "gateways", "apis"])
        for (const { name } of system.status().filter(({ name }) => new RegExp(`^${role}-\\d+$`).test(name))) {
          await system.process(name).stop();
          await system.process(`${name}-daprd`).stop();
          await Promise.all([system.process(name).start(), system.process(`${name}-daprd`).start()]);
          await system.ready();
        }
      await system.process("sinks-1").restart();
    },
    end: (system) => system.ready(),
  },
];

function killed(name: string, title: string, processes: readonly string[] = [name]): Outage {
  const all = (system: NativeSystem) => processes.map((process) => system.process(process));
  return {
    ...{ name, title, how: "`kill -9`" },
    async begin(system) {
      await Promise.all(all(system).map((process) => process.kill()));
    },
    async end(system) {
      await Promise.all(all(system).map((process) => process.start()));
    },
  };
}

function paused(name: string, title: string, processes: readonly string[] = [name]): Outage {
  const all = (system: NativeSystem) => processes.map((process) => system.process(process));
  return {
    ...{ name: `${name}-pause`, title, how: "SIGSTOP" },
    async begin(system) {
      await Promise.all(all(system).map((process) => process.pause()));
    },
    async end(system) {
      await Promise.all(all(system).map((process) => process.resume()));
    },
  };
}
