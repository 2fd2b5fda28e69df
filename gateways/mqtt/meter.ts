import type { Metrics } from "../../ports/metrics/prometheus.ts";
import type { GatewayMeter } from "./device-application.ts";
import type { IngressMeter } from "./emqx/ingress.ts";
import type { ListenerCounts } from "./listener/listener.ts";

/** Counts what devices say, as Prometheus counters. */
export function meterGateway(metrics: Metrics): GatewayMeter {
  const { received, telemetry, acknowledged, refused, connectionsRefused, violations } = metrics;
  return {
    received: (kind) => received.add(kind),
    telemetry(accepted, duplicates, refusedMessages) {
      if (accepted > 0) telemetry.add("accepted", accepted);
      if (duplicates > 0) telemetry.add("duplicate", duplicates);
      if (refusedMessages > 0) telemetry.add("refused", refusedMessages);
    },
    acknowledged: () => acknowledged.add(),
    refused: (reason) => refused.inc({ reason }),
    connectionRefused: (reason) => connectionsRefused.inc({ reason }),
    violation: (reason) => violations.inc({ reason }),
  };
}

/** Shows the listener's sizes. */
export function meterListener(metrics: Metrics, counts: () => ListenerCounts): void {
  metrics.gauge("doppel_mqtt_connections", "MQTT connections", () => counts().connections);
  metrics.gauge("doppel_mqtt_kept_sessions", "MQTT sessions of clients that are away", () => counts().keptSessions);
  metrics.gauge("doppel_mqtt_queued", "MQTT messages that wait for their clients", () => counts().queued);
  metrics.gauge("doppel_mqtt_dropped", "MQTT messages that a slow or absent client missed", () => counts().dropped);
}

/** Counts what the broker in front of us hands over. */
export function meterIngress(metrics: Metrics): IngressMeter {
  const counts = { redelivered: 0, refused: 0, unreadable: 0, lost: 0 };
  metrics.gauge(
    "doppel_ingress_redelivered",
    "Messages that the broker had delivered before",
    () => counts.redelivered,
  );
  metrics.gauge("doppel_ingress_refused", "Messages acknowledged to the broker though refused", () => counts.refused);
  metrics.gauge(
    "doppel_ingress_unreadable",
    "Messages of the broker without a readable topic",
    () => counts.unreadable,
  );
  metrics.gauge("doppel_ingress_connections_lost", "Connections to the broker that broke", () => counts.lost);
  return {
    redelivered: () => {
      counts.redelivered += 1;
    },
    refused: () => {
      counts.refused += 1;
    },
    unreadable: () => {
      counts.unreadable += 1;
    },
    connectionLost: () => {
      counts.lost += 1;
    },
  };
}
