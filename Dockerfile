# The operator's image: one static binary and the certificate authorities it trusts.
#
#   docker build --tag aep-operator:0.1.0 --build-arg VERSION=0.1.0 .
#
# `--target emulator` builds the stand-in platform instead, for trying things out. The operator takes plain HTTP on
# loopback only, so it belongs into the operator's own Pod as a second container.

# The same release as in rust-toolchain.toml; `.ci/run` compares them.
ARG RUST_VERSION=1.95.0

FROM rust:${RUST_VERSION}-alpine AS build
# build-base: a C compiler and linker, for ring. ca-certificates: what the final image trusts. Neither has a version here:
# the base image decides which Alpine it is, and an old version would soon be gone from its repository.
# hadolint ignore=DL3018
RUN apk add --no-cache build-base ca-certificates
WORKDIR /build
COPY . .
# Nothing to debug with in the final image, so symbols would only make it larger.
ENV CARGO_PROFILE_RELEASE_STRIP=symbols
# aep-operator/otel: with traces.
ARG FEATURES=""
# On this image's target, binaries are linked statically.
RUN cargo build --release --locked --package aep-operator --package aep-emulator --bins --features "${FEATURES}"

FROM scratch AS base
ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /build/LICENSE /LICENSE
# A number, so that Kubernetes can see that it is not root.
USER 65532:65532

FROM base AS emulator
LABEL org.opencontainers.image.title="aep-emulator" \
      org.opencontainers.image.description="A strict stand-in for Adobe Experience Platform and Customer.io"
COPY --from=build /build/target/release/aep-emulator /usr/local/bin/aep-emulator
ENTRYPOINT ["/usr/local/bin/aep-emulator"]
CMD ["serve", "--listen=127.0.0.1:8090"]

# Last, and so the default.
FROM base AS operator
LABEL org.opencontainers.image.title="aep-operator" \
      org.opencontainers.image.description="A Kubernetes operator that lands Customer.io events in Adobe Experience Platform"
COPY --from=build /build/target/release/aep-operator /usr/local/bin/aep-operator
EXPOSE 8080
ENTRYPOINT ["/usr/local/bin/aep-operator"]
CMD ["run"]
