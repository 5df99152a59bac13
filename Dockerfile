# adpfl-bench on a processor:  docker build -t adpfl-bench . && docker run --rm -v "$PWD:/work" adpfl-bench list
# On NVIDIA GPUs:              docker build --build-arg TORCH_BACKEND=cu130 -t adpfl-bench . && docker run --gpus all ...
ARG PYTHON=3.12
FROM python:${PYTHON}-slim
ARG TORCH_BACKEND=cpu
WORKDIR /opt/adpfl-bench
COPY constraints.txt ./
RUN pip install --no-cache-dir --constraint constraints.txt uv \
    && uv pip install --system --no-cache --no-deps --torch-backend "${TORCH_BACKEND}" --constraint constraints.txt torch
COPY pyproject.toml hatch_build.py README.md LICENSE ./
COPY adpfl_bench adpfl_bench
COPY tasks tasks
COPY callbacks callbacks
COPY configs configs
COPY models models
RUN pip install --no-cache-dir --constraint constraints.txt ".[dicom]" ./models \
    && useradd --create-home bench && install -d -o bench /work
USER bench
WORKDIR /work
ENV OMP_WAIT_POLICY=PASSIVE
ENTRYPOINT ["adpfl-bench"]
CMD ["--help"]
