import "../style/lists.css";
import { useEffect, useState } from "preact/hooks";
import { useLocation, useSearch } from "wouter-preact";
import { api } from "../api.ts";
import type { DevicePage, LiveMessage } from "../contract.ts";
import { type DeviceFilter, filterQuery, readFilter } from "../device-filter.ts";
import { stats, useFleetStats } from "../fleet.ts";
import { formatNumber } from "../format.ts";
import { withPresence } from "../live-twin.ts";
import { DeviceFilters } from "../parts/device-filters.tsx";
import { DeviceTable } from "../parts/device-table.tsx";
import { Dialog } from "../parts/dialog.tsx";
import { FirstDevice } from "../parts/first-device.tsx";
import { Icon } from "../parts/icon.tsx";
import { Pager, usePager } from "../parts/pager.tsx";
import { ProblemBox } from "../parts/problem-box.tsx";
import { RegistrationForm } from "../parts/registration-form.tsx";
import { useTitle } from "../parts/use-title.ts";
import { useLive, useThrottled } from "../use-live.ts";
import { useResource } from "../use-resource.ts";

const pageSize = 50;

export function Devices() {
  useTitle("Devices");
  useFleetStats();
  const [, go] = useLocation();
  const filter = readFilter(useSearch());
  const pager = usePager();
  const [adding, setAdding] = useState(false);
  const query = filterQuery(filter);
  const address = query.toString();
  query.set("limit", String(pageSize));
  if (pager.cursor) query.set("cursor", pager.cursor);
  const page = useResource(query.toString(), (signal) => api.devices(query, signal));

  const change = (next: DeviceFilter) => {
    pager.restart();
    go(`/devices${withMark(filterQuery(next))}`, { replace: true });
  };

  useLive("fleet", (message) => {
    if (message.type !== "presence") return;
    page.patch((shown) => changed(shown, message));
  });
  // Devices that appear or go change the count: then the first page is fetched anew, quietly, until it knows them, since
  // the list may be behind the count.
  const count = stats.value?.devices;
  const refresh = useThrottled(page.reload, 2000);
  useEffect(() => {
    if (count !== undefined && page.data && pager.page === 0 && address === "" && page.data.total !== count) refresh();
  }, [count, page.data]);

  const shown = page.data?.items ?? [];
  const total = page.data?.total;
  return (
    <>
      <header class="page-head">
        <h1>Devices</h1>
        <p class="quiet" role="status">
          {total === undefined ? "" : `${formatNumber(total)} ${address === "" ? "in all" : "match"}`}
        </p>
        <button type="button" class="at-end" onClick={() => setAdding(true)}>
          <Icon name="plus" /> Add device
        </button>
      </header>
      <DeviceFilters filter={filter} onChange={change} />
      {page.problem && <ProblemBox problem={page.problem} onRetry={page.reload} />}
      {page.data && shown.length === 0 ? (
        address === "" && pager.page === 0 ? (
          <FirstDevice />
        ) : (
          <section class="empty">
            <h2>No device matches</h2>
            <p>Nothing fits all of the filters together.</p>
            <button type="button" onClick={() => change(readFilter(""))}>
              Clear the filters
            </button>
          </section>
        )
      ) : (
        <section class="panel" aria-label="Devices" aria-busy={page.loading}>
          <DeviceTable devices={shown} />
          <Pager
            pager={pager}
            next={page.data?.next ?? null}
            shown={shown.length}
            what="devices"
            size={pageSize}
            {...(total === undefined ? {} : { total })}
          />
        </section>
      )}
      {adding && (
        <Dialog title="Add device" onClose={() => setAdding(false)}>
          <RegistrationForm
            device={null}
            onSaved={(device) => {
              setAdding(false);
              go(`/devices/${encodeURIComponent(device.id)}`);
            }}
          />
        </Dialog>
      )}
    </>
  );
}

function changed(page: DevicePage, message: Extract<LiveMessage, { type: "presence" }>): DevicePage {
  if (!page.items.some((device) => device.id === message.device)) return page;
  return {
    ...page,
    items: page.items.map((device) => (device.id === message.device ? withPresence(device, message) : device)),
  };
}

function withMark(query: URLSearchParams): string {
  const text = query.toString();
  return text === "" ? "" : `?${text}`;
}
