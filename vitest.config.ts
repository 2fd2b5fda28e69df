import { defineConfig } from "vitest/config";
import { kafkaIsHere, mosquittoIsHere, redisIsHere } from "./deploy/native/testing.ts";

const settings = {
  exclude: ["node_modules/**", ".doppel/**"],
  globalSetup: ["ports/postgres/test-cluster.ts", "deploy/native/test-services.ts"],
  testTimeout: 30_000,
  hookTimeout: 60_000,
  maxWorkers: 2,
};

/** Each in one of the modes alone; everything else in test/e2e is run in both. */
const clusterTests = "test/e2e/cluster*.test.ts";
const embeddedTests = "test/e2e/embedded*.test.ts";

/** Where a program is missing the whole project is left out, with a warning: in CI they count as there, and it fails. */
const distributed = kafkaIsHere && redisIsHere && mosquittoIsHere;

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          ...settings,
          name: "embedded",
          include: ["**/*.test.ts"],
          exclude: [...settings.exclude, clusterTests],
          sequence: { groupOrder: 0 },
        },
      },
      ...(distributed
        ? [
            {
              test: {
                ...settings,
                name: "distributed",
                include: ["test/e2e/**/*.test.ts"],
                exclude: [...settings.exclude, embeddedTests],
                env: { DOPPEL_TEST_MODE: "distributed" },
                testTimeout: 120_000,
                hookTimeout: 180_000,
                sequence: { groupOrder: 1 },
              },
            },
          ]
        : []),
    ],
  },
});
