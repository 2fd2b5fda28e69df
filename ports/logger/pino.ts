import { type Logger, pino } from "pino";
import { build } from "pino-pretty";

/**
 * Structured logs: a JSON object a line, or readable lines on a terminal. Payloads and secrets never go in; should a
 * password or token ever be handed over by mistake, its field is left out.
 */
export function openLogger({
  logLevel,
  logFormat,
}: {
  logLevel: string;
  logFormat: "auto" | "json" | "pretty";
}): Logger {
  const pretty = logFormat === "pretty" || (logFormat === "auto" && process.stdout.isTTY);
  const options = {
    level: logLevel,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    serializers: { error: pino.stdSerializers.err, err: pino.stdSerializers.err },
    redact: {
      paths: ["password", "secret", "token", "payload", "*.password", "*.secret", "*.token", "*.payload"],
      remove: true,
    },
  };
  return pretty ? pino(options, build({ translateTime: "SYS:HH:MM:ss", sync: true })) : pino(options);
}
