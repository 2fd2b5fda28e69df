import { useEffect, useId, useRef, useState } from "preact/hooks";
import { Link } from "wouter-preact";
import { api } from "../api.ts";
import { colourOf } from "../history/panel.ts";
import { mostDevices } from "../history/view.ts";
import { useResource } from "../use-resource.ts";
import { Icon } from "./icon.tsx";

const typingMs = 160;
const offered = 8;

/** The devices chosen, each in its colour, and a search for more. */
export function DevicePicker(props: { devices: string[]; onChange: (devices: string[]) => void }) {
  const { devices, onChange } = props;
  const full = devices.length >= mostDevices;
  return (
    <fieldset class="picker">
      <legend>Devices</legend>
      <ul class="chips">
        {devices.map((device, at) => (
          <li key={device} class="chip">
            <i class="swatch" style={{ "--colour": `var(--${colourOf(at)})` }} aria-hidden="true" />
            <Link class="id" href={`/devices/${encodeURIComponent(device)}`}>
              {device}
            </Link>
            <button
              type="button"
              class="icon-button"
              aria-label={`Remove ${device}`}
              onClick={() => onChange(devices.filter((one) => one !== device))}
            >
              <Icon name="close" />
            </button>
          </li>
        ))}
        <li>
          {full ? (
            <span class="quiet">{mostDevices} at most</span>
          ) : (
            <DeviceSearch chosen={devices} onChoose={(device) => onChange([...devices, device])} />
          )}
        </li>
      </ul>
    </fieldset>
  );
}

/** A combobox after the ARIA pattern: arrows move in the list, Enter takes, Escape closes. */
function DeviceSearch(props: { chosen: string[]; onChoose: (device: string) => void }) {
  const { chosen, onChoose } = props;
  const [text, setText] = useState("");
  const [asked, setAsked] = useState("");
  const [open, setOpen] = useState(false);
  const [at, setAt] = useState(0);
  const list = useId();
  const input = useRef<HTMLInputElement>(null);
  useEffect(() => {
    const timer = setTimeout(() => setAsked(text.trim()), typingMs);
    return () => clearTimeout(timer);
  }, [text]);
  const limit = String(offered + chosen.length);
  const query = new URLSearchParams(asked === "" ? { limit } : { search: asked, limit });
  const found = useResource(open ? query.toString() : null, (signal) => api.devices(query, signal));
  const options = (found.data?.items ?? []).filter(({ id }) => !chosen.includes(id)).slice(0, offered);
  const active = Math.min(at, options.length - 1);
  const choose = (id: string | undefined) => {
    if (id === undefined) return;
    onChoose(id);
    setText("");
    setAt(0);
    input.current?.focus();
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      setOpen(true);
      setAt(Math.max(0, Math.min(options.length - 1, active + (event.key === "ArrowDown" ? 1 : -1))));
    } else if (event.key === "Enter") {
      event.preventDefault();
      if (open) choose(options[active]?.id);
    } else if (event.key === "Escape") setOpen(false);
  };
  return (
    <div class="combobox">
      <input
        ref={input}
        type="text"
        role="combobox"
        aria-label="Add a device"
        aria-expanded={open}
        aria-controls={list}
        aria-autocomplete="list"
        {...(open && active >= 0 ? { "aria-activedescendant": `${list}-${active}` } : {})}
        placeholder={chosen.length === 0 ? "Search for a device" : "Add a device"}
        autocomplete="off"
        spellcheck={false}
        value={text}
        onInput={(event) => {
          setText(event.currentTarget.value);
          setOpen(true);
          setAt(0);
        }}
        onFocus={() => setOpen(true)}
        onBlur={() => setOpen(false)}
        onKeyDown={onKeyDown}
      />
      <div id={list} role="listbox" aria-label="Devices found" class="options" hidden={!open}>
        {options.map(({ id, type, region, status }, index) => (
          // biome-ignore lint/a11y/useKeyWithClickEvents: the input has the keys, as the pattern asks
          <div
            key={id}
            id={`${list}-${index}`}
            role="option"
            aria-selected={index === active}
            tabIndex={-1}
            onMouseDown={(event) => event.preventDefault()}
            onClick={() => choose(id)}
          >
            <i class={`dot ${status}`} aria-hidden="true" />
            <span class="id">{id}</span>
            <span class="quiet">{[type, region].filter(Boolean).join(" · ")}</span>
          </div>
        ))}
        {found.data && options.length === 0 && <p class="quiet">No {asked === "" ? "more " : ""}device matches</p>}
        {found.problem && <p class="quiet">{found.problem.title}</p>}
      </div>
    </div>
  );
}
