import { expect, test } from "vitest";
import { ActorFailed, ActorUnavailable, CallRefused, CallTimedOut, failureOf, SidecarAway } from "./call-errors.ts";

test.each([
  [SidecarAway, "SidecarAway", "DAPR_SIDECAR_AWAY", "later"],
  [ActorUnavailable, "ActorUnavailable", "DAPR_ACTOR_UNAVAILABLE", "later"],
  [CallTimedOut, "CallTimedOut", "DAPR_CALL_TIMED_OUT", "later"],
  [ActorFailed, "ActorFailed", "DAPR_ACTOR_FAILED", "never"],
  [CallRefused, "CallRefused", "DAPR_CALL_REFUSED", "never"],
] as const)("%o says what it is and whether to try again", (Failure, name, code, retry) => {
  const cause = new Error("why");
  const failure = new Failure("what happened", { mayHaveRun: true, cause });
  expect(failure).toBeInstanceOf(Error);
  expect(failure).toMatchObject({ name, code, retry, mayHaveRun: true, message: "what happened", cause });
});

const invoke = "ERR_ACTOR_INVOKE_METHOD";

test.each([
  ["a host that threw", 500, invoke, "error invoke actor method: error from actor service: boom", ActorFailed, true],
  [
    "a host that threw, behind another sidecar",
    500,
    invoke,
    "error invoke actor method: rpc error: code = Internal desc = error invoke actor method: error from actor service: boom",
    ActorFailed,
    true,
  ],
  ["a host without the method", 500, invoke, "error invoke actor method: actor method not found: x", ActorFailed, true],
  [
    "a type that nobody hosts",
    500,
    invoke,
    "error invoke actor method: failed to lookup actor: …",
    ActorUnavailable,
    true,
  ],
  ["a host that left", 500, invoke, "error invoke actor method: context canceled", ActorUnavailable, true],
  ["a sidecar that ends", 503, "ERR_ACTOR_RUNTIME_CLOSED", "actor runtime is closed", ActorUnavailable, false],
  ["a reminder before the host is known", 403, "ERR_ACTOR_REMINDER_NON_HOSTED", "only…", ActorUnavailable, false],
  ["an id that is not allowed", 400, "ERR_BAD_REQUEST", "invalid actorId", CallRefused, false],
])("%s", (_what, status, errorCode, message, Failure, mayHaveRun) => {
  const failure = failureOf("DeviceTwin/pump-4/turns", status, JSON.stringify({ errorCode, message }));
  expect(failure).toBeInstanceOf(Failure);
  expect(failure.mayHaveRun).toBe(mayHaveRun);
  expect(failure.message).toContain("DeviceTwin/pump-4/turns");
});

test("an answer that is no JSON is told as it is", () => {
  const failure = failureOf("DeviceTwin/pump-4/turns", 502, "Bad gateway");
  expect(failure).toBeInstanceOf(ActorUnavailable);
  expect(failure.message).toContain("Bad gateway");
});
