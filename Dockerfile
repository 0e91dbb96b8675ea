# Two images of the same program, after docs/install.md:
#   docker build --target cpu --tag vergence:cpu .
#   docker build --target cuda --tag vergence:cuda .
# Versions are those of constraints.txt; the folder of work is /work, the user has no rights of root.

FROM python:3.12-slim AS base
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PYTHONUNBUFFERED=1 \
    HF_HOME=/cache/huggingface VERGENCE_CACHE=/cache/vergence/frames MPLCONFIGDIR=/cache/matplotlib
RUN useradd --uid 1000 --create-home vergence \
    && mkdir /work /cache && chmod 1777 /cache && chown vergence /work
WORKDIR /source
COPY constraints.txt ./

# torch goes first: what follows fits to it.
FROM base AS cpu
RUN pip install -c constraints.txt torch torchvision --extra-index-url https://download.pytorch.org/whl/cpu
COPY pyproject.toml hatch_build.py README.md LICENSE NOTICE ./
COPY src src
RUN pip install -c constraints.txt '.[offline-weights,flow,export]'
USER 1000
WORKDIR /work
ENTRYPOINT ["vergence"]
CMD ["--help"]

FROM base AS cuda
RUN pip install -c constraints.txt torch torchvision
COPY pyproject.toml hatch_build.py README.md LICENSE NOTICE ./
COPY src src
RUN pip install -c constraints.txt '.[offline-weights,flow,export]'
USER 1000
WORKDIR /work
ENTRYPOINT ["vergence"]
CMD ["--help"]
