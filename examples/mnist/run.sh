#!/usr/bin/env bash
# The whole example on this machine: starts a standalone cluster of two workers, prepares the digits,
# trains in both modes, predicts both ways, and stops the cluster.
#
#     PYTHON=.venv/bin/python examples/mnist/run.sh [FOLDER [HDFS]]
#
# With HDFS, as in hdfs://namenode:8020/user/me, data, models and predictions lie there, and it trains
# in Spark's mode alone: TensorFlow itself does not open files of HDFS. Options of train.py come by
# the variable TRAIN, as in TRAIN="--epochs 3".
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
PYTHON=$("${PYTHON:-python3}" -c 'import sys; print(sys.executable)')
export PYSPARK_PYTHON=$PYTHON PYSPARK_DRIVER_PYTHON=$PYTHON TF_CPP_MIN_LOG_LEVEL=${TF_CPP_MIN_LOG_LEVEL:-2}
export SPARK_HOME=${SPARK_HOME:-$("$PYTHON" -c 'import os, pyspark; print(os.path.dirname(pyspark.__file__))')}
folder=$(realpath -m "${1:-mnist-output}")
where=${2:-$folder}
mkdir -p "$folder/logs"
rm -rf "$folder"/checkpoints-* # a run goes on from those that it finds

started=()
stop() {
  for process in "${started[@]}"; do kill "$process" 2>/dev/null || true; done
  wait
}
trap stop EXIT

await() { # await FILE PATTERN: until the file has it
  for _ in $(seq 600); do grep -q "$2" "$1" && return; sleep 0.1; done
  echo "no '$2' in $1" >&2
  exit 1
}

ends=(--host 127.0.0.1 --port 0 --webui-port 0)
"$SPARK_HOME/bin/spark-class" org.apache.spark.deploy.master.Master "${ends[@]}" \
  >"$folder/logs/master" 2>&1 &
started+=($!)
await "$folder/logs/master" 'Starting Spark master at'
master=$(sed -n 's/.*Starting Spark master at \(spark:[^ ]*\).*/\1/p' "$folder/logs/master")
for number in 1 2; do
  "$SPARK_HOME/bin/spark-class" org.apache.spark.deploy.worker.Worker "${ends[@]}" \
    --cores 1 --memory 2g --work-dir "$folder/logs/worker-$number" "$master" \
    >"$folder/logs/worker-$number.log" 2>&1 &
  started+=($!)
done
for number in 1 2; do await "$folder/logs/worker-$number.log" 'Successfully registered'; done
echo "a master and two workers run: $master"

submit() {
  echo "== $*"
  "$SPARK_HOME/bin/spark-submit" --master "$master" --executor-memory 1g \
    --conf spark.ui.enabled=false "$here/$1" "${@:2}" 2>>"$folder/logs/driver" ||
    { tail -n 40 "$folder/logs/driver" >&2; exit 1; }
}
submit prepare.py --output "$where/data"
run() { # run MODE KIND: trains in this mode, predicts the digits of files of this kind
  local logs=()
  "$PYTHON" -c 'import tensorboard' 2>/dev/null && logs=(--logs "$folder/tensorboard-$1")
  # shellcheck disable=SC2086
  submit train.py --data "$where/data" --mode "$1" --model "$where/model-$1" \
    --checkpoints "$folder/checkpoints-$1" "${logs[@]}" ${TRAIN:-}
  submit infer.py --data "$where/data" --mode "$2" --model "$where/model-$1" \
    --output "$where/predictions-$2"
}
run spark csv
if [ "$where" = "$folder" ]; then
  run tensorflow tfrecord
  head -q -n 1 "$folder"/predictions-csv/part-*
fi
