# make demo    set up .venv, boot Kunren, deploy the ten-domain redirect service in every way, ask every domain, end clean
# make test    set up .venv with all that the tests need, run them
# make lint, fmt, bench, coverage-doc

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install -q --disable-pip-version-check
TOOLS := $(VENV)/debian

# Hundreds of daemons and programs start in a test run: each would compile every module again.
unexport PYTHONDONTWRITEBYTECODE
export PATH := $(CURDIR)/$(BIN):$(CURDIR)/$(TOOLS)/bin:$(PATH):/usr/sbin:/sbin

.PHONY: demo test lint fmt bench coverage-doc

demo: $(VENV)/.installed $(VENV)/.programs
	$(BIN)/python -m kunren.drills.demo

test: $(VENV)/.installed-test $(VENV)/.programs-test
	$(BIN)/python -m pytest -n 4 --dist loadgroup --reruns 1 -rRs

lint: $(VENV)/.installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

fmt: $(VENV)/.installed-test
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.installed-test $(VENV)/.programs-bench
	$(BIN)/python -m benchmarks

coverage-doc: $(VENV)/.installed-test
	$(BIN)/python -m kunren.management.coverage

$(BIN)/pip:
	scripts/venv.sh $(VENV)

$(VENV)/.installed: $(BIN)/pip pyproject.toml
	$(PIP) -e .
	touch $@

$(VENV)/.installed-test: $(BIN)/pip pyproject.toml
	$(PIP) -e '.[test]'
	touch $@ $(VENV)/.installed

$(VENV)/.programs: $(BIN)/pip scripts/debian.sh
	scripts/debian.sh $(TOOLS) nft=nftables curl=curl
	touch $@

$(VENV)/.programs-test: $(BIN)/pip scripts/debian.sh
	scripts/debian.sh $(TOOLS) nft=nftables curl=curl dig=bind9-dnsutils delv=bind9-dnsutils node=nodejs openssl=openssl \
		skopeo=skopeo,libgpgme11,libassuan0,libgpg-error0,libdevmapper1.02.1! \
		podman=podman,libsubid4,libgpgme11,libassuan0,libgpg-error0,libdevmapper1.02.1,libseccomp2! \
		conmon=conmon,libglib2.0-0! runc=runc,libseccomp2!
	touch $@

$(VENV)/.programs-bench: $(BIN)/pip scripts/debian.sh
	scripts/debian.sh $(TOOLS) nft=nftables curl=curl wrk=wrk nginx=nginx-light haproxy=haproxy dig=bind9-dnsutils \
		dnsperf=dnsperf pdns_server=pdns-server,pdns-backend-bind
	touch $@
