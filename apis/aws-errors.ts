/**
 * Refusals as AWS IoT's data plane gives them: the exception's name in the header `x-amzn-errortype`, `{message}` in the
 * body (AWS IoT Core API reference, data plane operations; RestJson1 error serialisation of Smithy).
 */
import type { Problem, ProblemStatus } from "./problem.ts";

const exceptions: Partial<Record<ProblemStatus, string>> = {
  401: "UnauthorizedException",
  403: "ForbiddenException",
  404: "ResourceNotFoundException",
  405: "MethodNotAllowedException",
  409: "ConflictException",
  413: "RequestEntityTooLargeException",
  415: "UnsupportedDocumentEncodingException",
  429: "ThrottlingException",
  500: "InternalFailureException",
  503: "ServiceUnavailableException",
};

/** Whether a path belongs to the data plane, where errors have AWS's form. */
export function isAwsPath(path: string): boolean {
  return /^\/(things|topics|api\/things)(\/|$)/.test(path);
}

export function awsErrorResponse({ status, message, headers }: Problem): Response {
  const known = exceptions[status];
  // Whatever AWS has no name for is a request that it would not take.
  const code = known === undefined && status !== 400 ? 400 : status;
  return new Response(JSON.stringify({ message }), {
    status: code,
    headers: { "content-type": "application/json", "x-amzn-errortype": known ?? "InvalidRequestException", ...headers },
  });
}
