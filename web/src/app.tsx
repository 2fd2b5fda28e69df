import { Route, Switch } from "wouter-preact";
import { Header } from "./parts/header.tsx";
import { KeyDialog } from "./parts/key-dialog.tsx";
import { lazy } from "./parts/lazy.tsx";

const Overview = lazy(() => import("./pages/overview.tsx").then((page) => page.Overview));
const Devices = lazy(() => import("./pages/devices.tsx").then((page) => page.Devices));
const DevicePage = lazy(() => import("./pages/device.tsx").then((page) => page.DevicePage));
const HistoryPage = lazy(() => import("./pages/history.tsx").then((page) => page.HistoryPage));
const QualityPage = lazy(() => import("./pages/quality.tsx").then((page) => page.QualityPage));
const DeadLetters = lazy(() => import("./pages/dead-letters.tsx").then((page) => page.DeadLetters));
const ClusterPage = lazy(() => import("./pages/cluster.tsx").then((page) => page.ClusterPage));
const NotFound = lazy(() => import("./pages/not-found.tsx").then((page) => page.NotFound));

export function App() {
  return (
    <>
      <a class="skip" href="#main">
        Skip to content
      </a>
      <Header />
      <main id="main" tabIndex={-1}>
        <Switch>
          <Route path="/">
            <Overview />
          </Route>
          <Route path="/devices">
            <Devices />
          </Route>
          <Route path="/devices/:id">{({ id }) => <DevicePage key={id} id={id} />}</Route>
          <Route path="/history">
            <HistoryPage />
          </Route>
          <Route path="/quality">
            <QualityPage />
          </Route>
          <Route path="/dead-letters">
            <DeadLetters />
          </Route>
          <Route path="/cluster">
            <ClusterPage />
          </Route>
          <Route>
            <NotFound />
          </Route>
        </Switch>
      </main>
      <KeyDialog />
    </>
  );
}
