import { roleHttpPorts } from "../../role-config.ts";
import { brokerPorts } from "../topology.ts";
import type { NativeSystem } from "./system.ts";

/** What `npm run up:native` prints when everything is up. */
export function welcome(system: NativeSystem, folder: string, seconds: number, detached: boolean): string {
  const { httpUrl, mqttUrl, wsUrl } = system;
  const count = system.processes.size;
  return `
The distributed Doppel is up after ${seconds.toFixed(0)} s: ${count} processes, all on this machine.

  Dashboard   ${httpUrl}/
  API         ${httpUrl}/docs
  MQTT        ${mqttUrl}   (WebSocket: ${wsUrl})
  Logs        ${folder}/logs

Connect a thousand simulated devices:

  npm run simulate -- --devices 1000 --rate 1${elsewhere(system)}

and, while they run, kill a host and watch it heal:

  npm run native -- kill actors-2        its twins move to the other hosts
  npm run native -- start actors-2       and some of them back
  npm run native -- scale actors 2       a host fewer, orderly
  npm run native -- status               npm run native lists what else there is

${detached ? "Stop with: npm run down:native" : "Stop with Ctrl-C, or from elsewhere with: npm run down:native"}
`;
}

/** The simulator knows the usual ports. */
function elsewhere({ httpUrl, mqttUrl }: NativeSystem): string {
  const usualApi = `http://127.0.0.1:${roleHttpPorts.apis}`;
  const usualMqtt = `mqtt://127.0.0.1:${brokerPorts.mqtt}`;
  return `${mqttUrl === usualMqtt ? "" : ` --mqtt ${mqttUrl}`}${httpUrl === usualApi ? "" : ` --api ${httpUrl}`}`;
}
