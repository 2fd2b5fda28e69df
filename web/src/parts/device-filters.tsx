import { useEffect, useRef, useState } from "preact/hooks";
import type { DeviceFilter } from "../device-filter.ts";
import { stats, typeNames } from "../fleet.ts";
import { Icon } from "./icon.tsx";

const typingMs = 180;
const statuses = [
  { status: "", name: "All" },
  { status: "online", name: "Online" },
  { status: "offline", name: "Offline" },
] as const;

/** Search (as one types), status, flapping, region and type. "/" jumps to the search. */
export function DeviceFilters(props: { filter: DeviceFilter; onChange: (filter: DeviceFilter) => void }) {
  const { filter, onChange } = props;
  const [text, setText] = useState(filter.search);
  const input = useRef<HTMLInputElement>(null);
  const newest = useRef({ filter, onChange });
  newest.current = { filter, onChange };

  useEffect(() => setText(filter.search), [filter.search]);
  useEffect(() => {
    if (text === newest.current.filter.search) return;
    const timer = setTimeout(() => newest.current.onChange({ ...newest.current.filter, search: text }), typingMs);
    return () => clearTimeout(timer);
  }, [text]);
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      const typing = event.target instanceof HTMLElement && event.target.closest("input, textarea, select, dialog");
      if (event.key !== "/" || typing) return;
      event.preventDefault();
      input.current?.focus();
    };
    addEventListener("keydown", onKey);
    return () => removeEventListener("keydown", onKey);
  }, []);

  const fleet = stats.value;
  const regions = (fleet?.regions ?? []).map(({ region }) => region).filter((region) => region !== "");
  return (
    <search class="filters">
      <label class="search">
        <span class="visually-hidden">Search devices</span>
        <Icon name="search" />
        <input
          ref={input}
          type="search"
          placeholder="Search by id"
          value={text}
          onInput={(event) => setText(event.currentTarget.value)}
        />
      </label>
      <fieldset class="segments">
        <legend class="visually-hidden">Status</legend>
        {statuses.map(({ status, name }) => (
          <button
            key={name}
            type="button"
            aria-pressed={filter.status === status}
            onClick={() => onChange({ ...filter, status })}
          >
            {name}
          </button>
        ))}
      </fieldset>
      <label class="check">
        <input
          type="checkbox"
          checked={filter.flapping}
          onChange={(event) => onChange({ ...filter, flapping: event.currentTarget.checked })}
        />
        Flapping
      </label>
      <Choice
        name="Region"
        all="All regions"
        value={filter.region}
        options={[...regions].sort()}
        onChange={(region) => onChange({ ...filter, region })}
      />
      <Choice
        name="Type"
        all="All types"
        value={filter.type}
        options={fleet ? typeNames(fleet) : []}
        onChange={(type) => onChange({ ...filter, type })}
      />
      {filter.tag && (
        <button
          type="button"
          onClick={() => onChange({ ...filter, tag: "" })}
          aria-label={`Remove the tag ${filter.tag}`}
        >
          {filter.tag} <Icon name="close" />
        </button>
      )}
    </search>
  );
}

function Choice(props: {
  name: string;
  all: string;
  value: string;
  options: string[];
  onChange: (value: string) => void;
}) {
  const { value } = props;
  const options = value === "" || props.options.includes(value) ? props.options : [value, ...props.options];
  return (
    <select aria-label={props.name} value={value} onChange={(event) => props.onChange(event.currentTarget.value)}>
      <option value="">{props.all}</option>
      {options.map((option) => (
        <option key={option} value={option}>
          {option}
        </option>
      ))}
    </select>
  );
}
