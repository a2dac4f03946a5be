# csfnns without extras, as a command: docker build -t csfnns . && docker run --rm -v "$PWD:/work" csfnns key new mine.key
# Files belong to user 1000; another: docker run --user "$(id -u):$(id -g)" …

FROM python:3.13-slim-trixie AS build
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends gcc libc6-dev \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /source
COPY pyproject.toml hatch_build.py README.md LICENSE ./
COPY man man
COPY src src
RUN python -m venv /opt/csfnns && /opt/csfnns/bin/pip install --no-cache-dir .

FROM python:3.13-slim-trixie
LABEL org.opencontainers.image.title="csfnns" \
      org.opencontainers.image.source="https://github.com/csfnns/csfnns" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /opt/csfnns /opt/csfnns
RUN useradd --uid 1000 --create-home csfnns
ENV PATH="/opt/csfnns/bin:$PATH" PYTHONDONTWRITEBYTECODE=1
USER 1000:1000
WORKDIR /work
ENTRYPOINT ["csfnns"]
CMD ["--help"]
