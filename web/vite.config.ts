import { fileURLToPath } from "node:url";
import { defineConfig } from "vite";

/** Builds the dashboard to web/dist: `vite build --config web/vite.config.ts`. Assets are hashed, index.html is not. */
export default defineConfig({
  root: fileURLToPath(new URL(".", import.meta.url)),
  base: "/",
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  build: {
    outDir: "dist",
    emptyOutDir: true,
    target: ["es2023", "chrome123", "firefox120", "safari17.5"],
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
    reportCompressedSize: false,
  },
});
