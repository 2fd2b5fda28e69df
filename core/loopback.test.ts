import { expect, test } from "vitest";
import { isLoopback } from "./loopback.ts";

test.each(["localhost", "127.0.0.1", "127.1.2.3", "::1"])("%s is reached from this machine alone", (host) => {
  expect(isLoopback(host)).toBe(true);
});

test.each(["0.0.0.0", "::", "10.0.0.1", "127.0.0.1.example.org", "localhost.example.org", "128.0.0.1", ""])(
  "%j may be reached from elsewhere",
  (host) => {
    expect(isLoopback(host)).toBe(false);
  },
);
