# The service with production dependencies only, for an unprivileged user and a read-only file system.
#   npm run image                  builds it and tries it out, on a broker and a database of its own
#   docker compose up --build      the same, to play with: see compose.yaml
# HTTP listens at all addresses of the container, so API_KEY is required; docs/operations.md has the rest.
ARG NODE_IMAGE=node:22-bookworm-slim

FROM ${NODE_IMAGE} AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci
COPY tsconfig.json tsconfig.build.json prisma.config.ts ./
COPY tools tools
COPY prisma prisma
COPY src src
RUN npm run build
# `peer` because Prisma's client names its command line and TypeScript as peers that one may have. Then what only other
# databases and other module systems need: nine tenths of Prisma's client.
RUN npm prune --omit=dev --omit=peer --omit=optional \
 && find node_modules/@prisma/client/runtime -name 'query_compiler_*' ! -name 'query_compiler_*postgresql*.js' -delete \
 && find node_modules -type f \( -name '*.map' -o -name '*.d.ts' -o -name '*.d.mts' -o -name '*.d.cts' \) -delete \
 && find node_modules -type d -empty -delete
# What /__version__ answers.
ARG SOURCE=""
ARG VERSION=""
ARG COMMIT=""
ARG BUILD=""
RUN node -e 'const [source, version, commit, build] = process.argv.slice(1); \
  fs.writeFileSync("version.json", JSON.stringify({ source, version: version || require("./package.json").version, commit, build }))' \
  "$SOURCE" "$VERSION" "$COMMIT" "$BUILD"

FROM ${NODE_IMAGE}
WORKDIR /app
ENV NODE_ENV=production HTTP_HOST=0.0.0.0
COPY --from=build /app/package.json /app/version.json ./
COPY --from=build /app/node_modules node_modules
COPY --from=build /app/prisma prisma
COPY --from=build /app/dist dist
# By number, so that Kubernetes can see that it is not root. It owns nothing here.
USER 1000:1000
EXPOSE 8080
# The process alone: a database that is away is no reason to restart it. Without HTTP (`--only`), run with --no-healthcheck.
HEALTHCHECK --interval=30s --timeout=5s --start-period=10s --retries=3 \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.HTTP_PORT || 8080}/__lbheartbeat__`).then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]
# Node itself is process 1: signals reach it. It may take SHUTDOWN_TIMEOUT_MS (25 s), so stop it with more than Docker's 10 s.
ENTRYPOINT ["node", "dist/cli/main.js"]
CMD ["start"]
