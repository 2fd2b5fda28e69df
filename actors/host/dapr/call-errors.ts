/**
 * Why a call through the sidecar gave no answer: one class per reaction, closed. Told from the sidecar's HTTP API of
 * Dapr 1.18: statuses and `errorCode` are its documented part, of the message only the part that names the culprit is read.
 */
export type DaprCallFailure = SidecarAway | ActorUnavailable | CallTimedOut | ActorFailed | CallRefused;

type Facts = {
  /** false only where it is certain that the actor has not been called; a call may be given to it twice by the sidecar. */
  readonly mayHaveRun: boolean;
  readonly cause?: unknown;
};

abstract class DaprCallError extends Error {
  readonly mayHaveRun: boolean;

  constructor(message: string, { mayHaveRun, cause }: Facts) {
    super(message, cause === undefined ? undefined : { cause });
    this.mayHaveRun = mayHaveRun;
  }
}

/** No answer from the sidecar itself: nobody listens, or the connection broke before the answer. */
export class SidecarAway extends DaprCallError {
  override readonly name = "SidecarAway";
  readonly code = "DAPR_SIDECAR_AWAY";
  readonly retry = "later";
}

/** The sidecar does not reach a host of the actor: none is known, it went away, or actors are being moved. */
export class ActorUnavailable extends DaprCallError {
  override readonly name = "ActorUnavailable";
  readonly code = "DAPR_ACTOR_UNAVAILABLE";
  readonly retry = "later";
}

/** No answer in the time that the caller gave. The actor may still be at it, and the sidecar begins its next turn. */
export class CallTimedOut extends DaprCallError {
  override readonly name = "CallTimedOut";
  readonly code = "DAPR_CALL_TIMED_OUT";
  readonly retry = "later";
}

/** The actor's host answered with an error: a bug there, since outcomes of turns are data in the answer. */
export class ActorFailed extends DaprCallError {
  override readonly name = "ActorFailed";
  readonly code = "DAPR_ACTOR_FAILED";
  readonly retry = "never";
}

/** The sidecar takes no such call: a wrong API token, a name that it does not allow, a body that is too big. */
export class CallRefused extends DaprCallError {
  override readonly name = "CallRefused";
  readonly code = "DAPR_CALL_REFUSED";
  readonly retry = "never";
}

/** Codes of answers that are given before an actor is looked up. Their causes pass. */
const notReady: ReadonlySet<string> = new Set([
  "ERR_ACTOR_RUNTIME_NOT_FOUND",
  "ERR_ACTOR_RUNTIME_CLOSED",
  "ERR_ACTOR_NO_APP_CHANNEL",
  "ERR_ACTOR_NO_PLACEMENT",
  "ERR_ACTOR_REMINDER_NON_HOSTED",
]);

/**
 * What an answer other than 2xx means. `what` names the call: 'DeviceTwin/pump-4/turns'.
 *
 * "error from actor service" and "actor method not found" are the two ways in which the sidecar hands on a host's own
 * failure (pkg/actors/targets/app/transport), from another sidecar too. What else fails within a call may have failed
 * after an attempt that reached the actor: the sidecar tries again by itself for some seconds and tells the last failure.
 */
export function failureOf(what: string, status: number, body: string): DaprCallFailure {
  const { errorCode, message } = errorIn(body);
  const told = `Dapr answered ${what} with ${status} ${errorCode}: ${message}`;
  if (notReady.has(errorCode)) return new ActorUnavailable(told, { mayHaveRun: false });
  if (status < 500) return new CallRefused(told, { mayHaveRun: false });
  if (/error from actor service|actor method not found/.test(message)) {
    return new ActorFailed(told, { mayHaveRun: true });
  }
  return new ActorUnavailable(told, { mayHaveRun: true });
}

const longestMessage = 500;

function errorIn(body: string): { errorCode: string; message: string } {
  try {
    const { errorCode, message } = JSON.parse(body) as Record<string, unknown>;
    return { errorCode: String(errorCode ?? ""), message: String(message ?? "").slice(0, longestMessage) };
  } catch {
    return { errorCode: "", message: body.slice(0, longestMessage) };
  }
}
