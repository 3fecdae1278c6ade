FROM python:3.11-slim-bookworm AS packages
# A further package index, if one is to be used: docs/install.md says how to get torch without CUDA.
ARG PIP_EXTRA_INDEX_URL=""
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/venv
COPY requirements.txt .
RUN /opt/venv/bin/pip install --requirement requirements.txt

FROM python:3.11-slim-bookworm
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    CONTEXTVISION_DATA_DIR=/data \
    HF_HOME=/data/models/hub
# New volumes take over the owner of the folders they are mounted on.
RUN useradd --uid 1000 --create-home contextvision \
    && mkdir --parents /data/media /data/indexes /data/models /data/transfers \
    && chown --recursive contextvision: /data
COPY --from=packages /opt/venv /opt/venv
WORKDIR /app
COPY . .
USER contextvision
# The key serves this step only; it is kept in no layer.
RUN CONTEXTVISION_SECRET_KEY="$(python -c 'import secrets; print(secrets.token_urlsafe(48))')" \
    python manage.py collectstatic --noinput
EXPOSE 8000
CMD ["gunicorn", "--config", "python:contextvision_site.gunicorn", "--bind", "0.0.0.0:8000"]
