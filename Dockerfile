# The image holds one static program, CA roots and the folder it writes to: no shell, no package manager, no root.
FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN CGO_ENABLED=0 go build -trimpath -ldflags="-s -w" -o /out/countersign ./cmd/countersign \
 && mkdir -p /out/data && chmod 0700 /out/data

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build --chown=65532:65532 /out/data /var/lib/countersign
COPY --from=build /out/countersign /countersign
# Time zones are inside the program (time/tzdata).
ENV COUNTERSIGN_CONFIG=/etc/countersign COUNTERSIGN_DATA=/var/lib/countersign COUNTERSIGN_LISTEN=0.0.0.0:8484
USER 65532:65532
VOLUME /var/lib/countersign
EXPOSE 8484
HEALTHCHECK --interval=30s --timeout=6s --start-period=30s CMD ["/countersign", "health"]
ENTRYPOINT ["/countersign"]
CMD ["serve"]
