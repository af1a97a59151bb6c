# Every target sets up what it needs below .build; nothing is installed outside it, except that root's `make test`
# on Debian installs chromium, rsyslog, logrotate, nftables, sudo, sshd and auditctl for their tests and, if missing, python3-venv.
PYTHON ?= python3
STAGES := lint sanity unit programs e2e browser package lab

.DEFAULT_GOAL := help
.PHONY: help demo test $(STAGES) molecule faults lab-up lab-down bench docs format clean

help: ## this list
	@sed -n 's/^\([a-z-]*\):[a-z ]*## /  make \1\t/p' Makefile | expand -t 20
	@echo "  make STAGE        one stage of the test: $(STAGES)"

demo: ## a simulated cluster, the audit playbook against it, and its report (no root needed)
	@$(PYTHON) -m tools.demo

test: ## all stages, on the oldest and the newest ansible-core
	@$(PYTHON) -m tools.check $(STAGES)

$(STAGES):
	@$(PYTHON) -m tools.check $@

molecule: lab ## the stage `lab`: the playbooks on booted hosts, by Molecule (root, Linux)

faults: ## 20,000 lines from each of two booted hosts while something breaks: the table of what is lost (root, Linux)
	@$(PYTHON) -m tools.faults

lab-up: ## boot the three test hosts (root, Linux)
	@$(PYTHON) -m tests.lab.hosts up

lab-down: ## end them
	@$(PYTHON) -m tests.lab.hosts down

bench: ## speed and memory, side by side with the alternatives
	@$(PYTHON) -m tools.bench

docs: ## the documentation of all plugins in .build/docs
	@$(PYTHON) -m tools.check docs

format: ## rewrite the Python files as `make lint` wants them
	@$(PYTHON) -m tools.check format

clean: ## remove all that make has written
	rm -rf .build .ansible .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
