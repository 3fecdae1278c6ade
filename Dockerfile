FROM python:3.11-slim-bookworm AS packages
# A further package index, if one is to be used: docs/install.md says how to get torch without CUDA.
ARG PIP_EXTRA_INDEX_URL=""
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/venv
COPY requirements.txt .
RUN /opt/venv/bin/pip install --requirement requirements.txt

# Web server or worker; docker-compose.yml starts one container for each.
FROM python:3.11-slim-bookworm AS site
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    CONTEXTVISION_DATA_DIR=/data \
    HF_HOME=/data/models/hub \
    XDG_CACHE_HOME=/data/cache
# New volumes take over the owner of the folders they are mounted on.
RUN useradd --uid 1000 --create-home contextvision \
    && mkdir --parents /data/media /data/indexes /data/models /data/transfers /data/imports /data/cache \
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

# All of it in one container, for a Hugging Face Space or a trial: docs/one-container.md.
FROM site
# In the image, so that the first start after each restart of a Space takes seconds.
USER root
RUN python -m mlcore compile starter && python -m mlcore compile --sentences minilm \
    && rm --recursive --force /data/cache/* /tmp/*
USER contextvision
EXPOSE 7860
CMD ["python", "manage.py", "serve", "--bind", "0.0.0.0:7860"]
