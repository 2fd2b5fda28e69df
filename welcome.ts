import type { Config } from "./config.ts";
import { isLoopback } from "./core/loopback.ts";
import type { Running } from "./run.ts";

/** What a start prints when everything is up: where things are, and how to connect a first device. */
export function welcome(config: Config, running: Running, seconds: number): string {
  const { host } = config;
  const { mqttPort, mqttWsPort, httpPort, tls, recovery } = running;
  // With TLS, what goes without it may be on loopback alone.
  const plain = tls === null || config.plaintext === "everywhere" ? shown(host) : isLoopback(host) ? host : "127.0.0.1";
  const secure =
    tls === null
      ? ""
      : `
  With TLS    https://${shown(host)}:${tls.httpsPort}/   MQTT ${shown(host)}:${tls.mqttsPort}   (WebSocket: ${tls.mqttWssPort})`;
  const replayed = recovery.replayedRecords === 0 ? "" : `, ${recovery.replayedRecords} records replayed`;
  return `
Doppel is up after ${seconds.toFixed(1)} s${replayed}.

  Dashboard   http://${plain}:${httpPort}/
  API         http://${plain}:${httpPort}/docs
  MQTT        ${plain}:${mqttPort}   (WebSocket: ${mqttWsPort})${secure}

Connect a first device:

  mosquitto_pub -h ${plain} -p ${mqttPort} -q 1 -i pump-1 \\
    -t devices/pump-1/telemetry -m '{"readings":{"temperature":21.5}}'

or a thousand simulated ones:  npm run simulate -- --devices 1000 --rate 1
Stop with Ctrl-C.
`;
}

/** A start that failed, said so that the reader knows what to do. */
export function startupProblem(error: unknown, config: Config): string {
  const { code, message, port } = error as { code?: string; message: string; port?: number };
  const intro = "Doppel cannot start.";
  switch (code) {
    case "EADDRINUSE":
      return `${intro} Port ${port} on ${config.host} is taken, perhaps by a Doppel that runs already. Stop that, or choose another port (see npm start -- --help).`;
    case "EACCES":
      return `${intro} This user may not listen on port ${port}. Choose one above 1023 (see npm start -- --help).`;
    case "CLUSTER_IN_USE":
    case "LOG_TAKEN":
      return `${intro} Another Doppel is running on the same data. ${message}`;
    default:
      return `${intro} ${message}`;
  }
}

function shown(host: string): string {
  return host === "0.0.0.0" || host === "::" ? "127.0.0.1" : host.includes(":") ? `[${host}]` : host;
}
