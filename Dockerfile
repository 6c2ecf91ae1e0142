# One image for every process: kube-elevate controller | verifier | sweep. Runs as nobody in particular, on a file system
# that it never writes to.
FROM node:24.21.0-trixie-slim AS build
WORKDIR /build
COPY package.json package-lock.json .npmrc tsconfig.json ./
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY hack/bundle hack/bundle
COPY src src
RUN npm run build && npm run sbom

FROM node:24.21.0-trixie-slim
WORKDIR /app
# Memory, for peak speed that is not measured yet: each compiler that optimizes maps 5 MB of itself and works in 20 more, and
# what runs here waits for the network most of the time. A young generation of 1 MB, and two arenas of malloc, are enough for
# little that lives long. No signal opens an inspector (--disable-sigusr1). What is inside: dist/sbom.json, LICENSES.txt.
ENV NODE_ENV=production MALLOC_ARENA_MAX=2
COPY --from=build /build/package.json ./
COPY --from=build /build/dist dist
USER 65532:65532
ENTRYPOINT ["node", "--liftoff-only", "--no-turbofan", "--max-semi-space-size=1", "--disable-sigusr1", "dist/main.js"]
