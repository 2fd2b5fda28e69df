import { expect, test } from "vitest";
import type { Device } from "./contract.ts";
import { fieldsOf, readFields } from "./registration-fields.ts";

const pump: Device = {
  id: "pump-4",
  type: "pump",
  region: "eu",
  location: { name: "Hall 2", latitude: 45.7, longitude: 4.8 },
  tags: { line: "2", site: "lyon" },
  firmwareVersion: "2.1.0",
  createdAt: "2026-01-01T00:00:00Z",
  status: "online",
  since: null,
  lastSeen: null,
  connected: true,
  flapping: false,
};

test("a form that was not touched changes nothing", () => {
  expect(readFields(fieldsOf(pump), pump)).toEqual({
    type: "pump",
    region: "eu",
    location: pump.location,
    firmwareVersion: "2.1.0",
    tags: pump.tags,
  });
});

test("a tag that was taken out of the form is removed", () => {
  expect(readFields({ ...fieldsOf(pump), tags: "site=lyon\nroom = 7" }, pump)).toMatchObject({
    tags: { line: null, site: "lyon", room: "7" },
  });
});

test("an emptied location is removed", () => {
  const fields = { ...fieldsOf(pump), place: "", latitude: "", longitude: "" };
  expect(readFields(fields, pump)).toMatchObject({ location: null });
});

test("half a position and a tag without a value are refused in words", () => {
  expect(readFields({ ...fieldsOf(pump), longitude: "" }, pump)).toEqual({
    wrong: "A position needs both latitude and longitude.",
  });
  expect(readFields({ ...fieldsOf(pump), tags: "site" }, pump)).toEqual({
    wrong: "The tag “site” needs the form name=value.",
  });
});

test("a new device is sent with what was filled in only", () => {
  expect(readFields({ ...fieldsOf(null), id: "new-1" }, null)).toEqual({ id: "new-1", tags: {} });
});
