import {
  type DeviceType,
  type DeviceTypeSettings,
  type DeviceTypes,
  type MessageSchemaVersion,
  plainType,
} from "./port.ts";

/** Settings of device types in memory, gone with the process. */
export function openMemoryDeviceTypes(): DeviceTypes {
  const settings = new Map<string, DeviceTypeSettings>();
  const schemas = new Map<string, MessageSchemaVersion[]>();
  let revision = 0;
  const viewOf = (type: string): DeviceType =>
    structuredClone({ ...plainType, ...settings.get(type), schema: schemas.get(type)?.at(-1) ?? null });
  return {
    revision: async () => revision,
    async all() {
      return new Map([...settings.keys()].sort().map((type) => [type, viewOf(type)]));
    },
    async of(type) {
      return viewOf(type);
    },
    async put(type, given, replacing) {
      const stands = JSON.stringify(viewOf(type).quality);
      if (replacing !== undefined && JSON.stringify(replacing.quality) !== stands) return false;
      const { policy, quality, retentionDays } = { ...plainType, ...settings.get(type), ...structuredClone(given) };
      settings.set(type, { policy, quality, retentionDays });
      revision += 1;
      return true;
    },
    async remove(type) {
      schemas.delete(type);
      revision += 1;
      return settings.delete(type);
    },
    async addSchema(type, schema, { replacing, nowMs }) {
      const versions = schemas.get(type) ?? [];
      if (versions.length !== replacing) return { kind: "stale", newest: versions.length };
      if (!settings.has(type)) settings.set(type, plainType);
      const version = replacing + 1;
      revision += 1;
      schemas.set(type, [...versions, { version, schema: structuredClone(schema), createdAtMs: nowMs }]);
      return { kind: "added", version };
    },
    async schemasOf(type) {
      return structuredClone(schemas.get(type) ?? []);
    },
    async retentionOf() {
      const days = [...settings].flatMap(([type, { retentionDays }]) =>
        retentionDays === null ? [] : [[type, retentionDays] as const],
      );
      return new Map(days);
    },
  };
}
