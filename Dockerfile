# The service with production dependencies only, for an unprivileged user and a read-only file system.
#   npm run image                  builds and tests it with its own broker and database
#   docker compose up --build      runs it with a broker and a database: see compose.yaml
# HTTP listens on all addresses of the container, so API_KEY is required; see docs/operations.md.
ARG NODE_IMAGE=node:24-bookworm-slim

FROM ${NODE_IMAGE} AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci
COPY tsconfig.json tsconfig.build.json prisma.config.ts ./
COPY tools/run.mjs tools/run.mjs
COPY tools/bootstrap tools/bootstrap
COPY prisma prisma
COPY src src
RUN npm run build

# The example mailer, for compose.yaml.
FROM build AS mailer
COPY examples/mailer examples/mailer
USER 1000:1000
ENTRYPOINT ["node", "--import", "tsx", "examples/mailer/main.ts"]

FROM build AS production
# `peer` because Prisma's client has its command line and TypeScript as optional peers. The files for other databases and
# module systems are nine tenths of Prisma's client.
RUN npm prune --omit=dev --omit=peer --omit=optional \
 && find node_modules/@prisma/client/runtime -name 'query_compiler_*' ! -name 'query_compiler_*postgresql*.js' -delete \
 && find node_modules -type f \( -name '*.map' -o -name '*.d.ts' -o -name '*.d.mts' -o -name '*.d.cts' \) -delete \
 && find node_modules -type d -empty -delete
# What is left, as CycloneDX. `npm sbom` would ask for the development tools that package.json names.
RUN npm pkg delete devDependencies && npm sbom --sbom-format=cyclonedx > sbom.json
# The answer of /__version__.
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
COPY --from=production /app/package.json /app/version.json /app/sbom.json ./
COPY --from=production /app/node_modules node_modules
COPY --from=production /app/prisma prisma
COPY --from=production /app/dist dist
# A number, so that Kubernetes can verify that it is not root. This user owns no files here.
USER 1000:1000
EXPOSE 8080
# Checks only the process: restarting does not help when the database is down.
HEALTHCHECK --interval=30s --timeout=5s --start-period=10s --retries=3 \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.HTTP_PORT || 8080}/__lbheartbeat__`).then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]
# Node is process 1, so signals reach it. A stop may take SHUTDOWN_TIMEOUT_MS (25 s), longer than Docker's default of 10 s.
ENTRYPOINT ["node", "dist/cli/main.js"]
CMD ["start"]
