import { fileURLToPath } from "node:url";
import { type AnyDefinition, loadSync } from "@grpc/proto-loader";
import { beforeAll, describe, expect, test } from "vitest";
import { daprModuleFolder } from "../deploy/native/dapr-build.ts";

type Field = { name: string; number: number; type: string; label: string; typeName: string; oneof: boolean };
type Definitions = Record<string, AnyDefinition>;

const OURS = fileURLToPath(new URL("proto/actor-stream.proto", import.meta.url));
const PACKAGE = "dapr.proto.runtime.v1";
const STREAM = "SubscribeActorEventsAlpha1";

describe("the actor stream as we describe it and as Dapr does", () => {
  const ours = messages(loadSync(OURS, { keepCase: true }));
  let theirs: typeof ours;
  let theirService: AnyDefinition | undefined;

  beforeAll(async () => {
    const folder = await daprModuleFolder();
    const loaded = loadSync("dapr/proto/runtime/v1/dapr.proto", { keepCase: true, includeDirs: [folder] });
    theirs = messages(loaded);
    theirService = loaded[`${PACKAGE}.Dapr`];
  }, 300_000);

  test.each([...ours.keys()])("agree on every field of %s", (name) => {
    const original = theirs.get(name) ?? [];
    for (const field of ours.get(name) ?? []) expect(original).toContainEqual(field);
  });

  test("agree on how the stream is opened", () => {
    const ourService = loadSync(OURS, { keepCase: true })[`${PACKAGE}.Dapr`];
    expect(opening(ourService)).toEqual(opening(theirService));
  });
});

/** Of every message its fields. */
function messages(definitions: Definitions): Map<string, Field[]> {
  const found = new Map<string, Field[]>();
  for (const [name, definition] of Object.entries(definitions)) {
    if (!name.startsWith(`${PACKAGE}.SubscribeActorEvents`)) continue;
    const { field } = (definition as unknown as { type: { field: DescribedField[] } }).type;
    found.set(
      name.slice(PACKAGE.length + 1),
      field.map(({ name, number, type, label, typeName, oneofIndex, proto3Optional }) => {
        return { name, number, type, label, typeName: shortName(typeName), oneof: oneofIndex >= 0 && !proto3Optional };
      }),
    );
  }
  return found;
}

type DescribedField = Omit<Field, "oneof"> & { oneofIndex: number; proto3Optional?: boolean };

/** The loader names a type as the file did, in full or not. */
const shortName = (typeName: string): string => typeName.split(".").at(-1) ?? "";

function opening(service: AnyDefinition | undefined) {
  const method = (
    service as unknown as Record<string, { path: string; requestStream: boolean; responseStream: boolean }>
  )[STREAM];
  return { path: method?.path, up: method?.requestStream, down: method?.responseStream };
}
