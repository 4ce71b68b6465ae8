# docker build -t sparse-peft-studio --build-arg WHEELS=<index of CPU wheels, if wanted> .
# docker run --rm -p 127.0.0.1:7860:7860 -v studio:/home/user/studio sparse-peft-studio
FROM python:3.11-slim-bookworm

RUN useradd --create-home --uid 1000 user
USER 1000
WORKDIR /home/user/app

ENV PATH=/home/user/.local/bin:$PATH \
    STUDIO_HOME=/home/user/studio \
    STUDIO_HOST=0.0.0.0 \
    STUDIO_HOSTS=localhost,127.0.0.1 \
    HF_HOME=/home/user/.cache/huggingface \
    GRADIO_ANALYTICS_ENABLED=False \
    PYTHONUNBUFFERED=1

# The requirements first: their layer stays while the code changes.
ARG WHEELS
COPY --chown=1000 requirements.txt .
RUN pip install --no-cache-dir --user ${WHEELS:+--extra-index-url "$WHEELS"} -r requirements.txt

COPY --chown=1000 . .

EXPOSE 7860
HEALTHCHECK --start-period=60s CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:7860/healthz')"]
CMD ["python", "app.py"]
