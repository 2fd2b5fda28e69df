import "./style/tokens.css";
import "./style/base.css";
import "./style/controls.css";
import "./style/parts.css";
import "./theme.ts";
import { render } from "preact";
import { App } from "./app.tsx";
import { start } from "./live.ts";

start();
const root = document.getElementById("app");
if (root) render(<App />, root);
