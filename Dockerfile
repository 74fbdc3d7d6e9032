FROM python:3.13-slim AS build
WORKDIR /source
COPY pyproject.toml README.md LICENSE ./
COPY triage triage
COPY collectors collectors
COPY dashboards dashboards
RUN pip wheel --no-cache-dir --wheel-dir /wheels .

FROM python:3.13-slim
COPY --from=build /wheels /wheels
RUN pip install --no-cache-dir --no-index --find-links /wheels gateway-triage \
 && rm -r /wheels \
 && useradd --uid 10001 --create-home --home-dir /var/lib/triage triage \
 && install -d -o triage /var/lib/triage/spool
USER triage
WORKDIR /var/lib/triage
EXPOSE 8080 4317 4318
ENTRYPOINT ["triage"]
CMD ["serve"]
