# docker build -t rescale-dse .
# docker run --rm -v "$PWD:/work" rescale-dse run study.toml
FROM python:3.12-slim AS build
RUN apt-get update && apt-get install --yes --no-install-recommends g++ && rm -rf /var/lib/apt/lists/*
WORKDIR /source
COPY pyproject.toml setup.py MANIFEST.in constraints.txt README.md LICENSE ./
COPY dse dse
COPY hwmodels hwmodels
COPY nets nets
RUN python -m venv /opt/rescale-dse && /opt/rescale-dse/bin/pip install --no-cache-dir --constraint constraints.txt .

FROM python:3.12-slim
COPY --from=build /opt/rescale-dse /opt/rescale-dse
RUN useradd --create-home dse && mkdir /work && chown dse /work
USER dse
WORKDIR /work
ENTRYPOINT ["/opt/rescale-dse/bin/dse"]
CMD ["--help"]
