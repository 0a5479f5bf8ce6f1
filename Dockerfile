# The service with production dependencies only, as an unprivileged user.
#   docker build -t onecontact .
#   docker run --rm -e AMQP_URL=… -e DATABASE_URL=… onecontact migrate
#   docker run -e AMQP_URL=… -e DATABASE_URL=… -e HTTP_HOST=0.0.0.0 -e API_KEY=… -p 8080:8080 onecontact
ARG NODE_IMAGE=node:22-bookworm-slim

FROM ${NODE_IMAGE} AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci
COPY tsconfig.json tsconfig.build.json prisma.config.ts ./
COPY dev dev
COPY prisma prisma
COPY src src
RUN npm run build && npm prune --omit=dev

FROM ${NODE_IMAGE}
WORKDIR /app
ENV NODE_ENV=production
COPY --from=build /app/package.json ./
COPY --from=build /app/node_modules node_modules
COPY --from=build /app/prisma prisma
COPY --from=build /app/dist dist
USER node
EXPOSE 8080
# Node itself is process 1: signals reach it.
ENTRYPOINT ["node", "dist/cli/main.js"]
CMD ["start"]
