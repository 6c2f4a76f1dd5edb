# Two stages: the first builds a virtual environment, the second holds it, git and ssh for repositories, and sqlite3 for looking at the database.
FROM python:3.13-slim-bookworm AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python -m venv /opt/gonogo
WORKDIR /src
COPY requirements requirements
RUN /opt/gonogo/bin/pip install --no-deps --require-hashes -r requirements/runtime.txt && /opt/gonogo/bin/pip check
COPY pyproject.toml README.md LICENSE ./
COPY bot bot
COPY handlers handlers
COPY templates templates
RUN /opt/gonogo/bin/pip install --no-deps .

FROM python:3.13-slim-bookworm
LABEL org.opencontainers.image.title="Go/No-Go" \
      org.opencontainers.image.description="The Slack deployment bot that teams trust at 2 a.m." \
      org.opencontainers.image.licenses="MIT"
RUN apt-get update -qq \
 && apt-get install -y -qq --no-install-recommends git openssh-client sqlite3 tini \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --system --uid 10001 --create-home --home-dir /var/lib/gonogo gonogo \
 && chmod 0700 /var/lib/gonogo
COPY --from=build /opt/gonogo /opt/gonogo
ENV PATH=/opt/gonogo/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    GONOGO_CONFIG=/etc/gonogo/gonogo.yaml \
    GONOGO_DATABASE_URL=sqlite+aiosqlite:////var/lib/gonogo/gonogo.db \
    GONOGO_WORK_DIR=/var/lib/gonogo
WORKDIR /var/lib/gonogo
USER gonogo
VOLUME /var/lib/gonogo
EXPOSE 3000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s --retries=3 \
  CMD ["python", "-c", "import os, urllib.request as r; r.urlopen('http://127.0.0.1:' + os.environ.get('GONOGO_LISTEN', ':3000').rpartition(':')[2] + '/healthz', timeout=4)"]
ENTRYPOINT ["tini", "--"]
CMD ["gonogo", "run"]
