import { useEffect, useRef, useState } from "preact/hooks";
import type { Stats } from "../contract.ts";
import { typeNames } from "../fleet.ts";
import { formatNumber } from "../format.ts";
import type { LetterFilter } from "../letters/letter-filter.ts";
import { reasonWords } from "../letters/outcome.ts";
import { Icon } from "./icon.tsx";

const typingMs = 250;

/** By device, reason with how many there are of each, broken rule, type and region. */
export function LetterFilters(props: {
  filter: LetterFilter;
  stats: Stats | null;
  /** Names of rules to choose from. */
  rules: string[];
  onChange: (filter: LetterFilter) => void;
}) {
  const { filter, stats, rules, onChange } = props;
  const [device, setDevice] = useState(filter.device);
  const newest = useRef({ filter, onChange });
  newest.current = { filter, onChange };
  useEffect(() => setDevice(filter.device), [filter.device]);
  useEffect(() => {
    if (device === newest.current.filter.device) return;
    const timer = setTimeout(
      () => newest.current.onChange({ ...newest.current.filter, device: device.trim() }),
      typingMs,
    );
    return () => clearTimeout(timer);
  }, [device]);
  const reasons = Object.entries(stats?.deadLetters ?? {}).sort(([, a], [, b]) => b - a);
  const regions = (stats?.regions ?? []).map(({ region }) => region).filter((region) => region !== "");
  return (
    <search class="filters">
      <label class="search">
        <span class="visually-hidden">Device id</span>
        <Icon name="search" />
        <input
          type="search"
          placeholder="Device id"
          value={device}
          onInput={(event) => setDevice(event.currentTarget.value)}
        />
      </label>
      <Choice
        name="Reason"
        all="All reasons"
        value={filter.reason}
        options={reasons.map(([reason, count]) => [reason, `${reasonWords(reason)} (${formatNumber(count)})`])}
        onChange={(reason) => onChange({ ...filter, reason, rule: "" })}
      />
      <Choice
        name="Rule"
        all="All rules"
        value={filter.rule}
        options={rules.map((rule) => [rule, rule])}
        onChange={(rule) => onChange({ ...filter, rule, reason: rule === "" ? "" : "quarantined" })}
      />
      <Choice
        name="Type"
        all="All types"
        value={filter.type}
        options={(stats ? typeNames(stats) : []).map((type) => [type, type])}
        onChange={(type) => onChange({ ...filter, type })}
      />
      <Choice
        name="Region"
        all="All regions"
        value={filter.region}
        options={regions.sort().map((region) => [region, region])}
        onChange={(region) => onChange({ ...filter, region })}
      />
    </search>
  );
}

/** A select whose value stays an option even where it is no longer among them. */
export function Choice(props: {
  name: string;
  all: string;
  value: string;
  options: [value: string, label: string][];
  onChange: (value: string) => void;
}) {
  const { value } = props;
  const there = value === "" || props.options.some(([option]) => option === value);
  const options: [string, string][] = there ? props.options : [[value, value], ...props.options];
  return (
    <select aria-label={props.name} value={value} onChange={(event) => props.onChange(event.currentTarget.value)}>
      <option value="">{props.all}</option>
      {options.map(([option, label]) => (
        <option key={option} value={option}>
          {label}
        </option>
      ))}
    </select>
  );
}
