# The tasks of a working day; `just` lists them. `.ci/run` does everything in a fresh environment.

# list the tasks
default:
    @just --list

# install the members as they stand here, and the tools
setup:
    python3 -m pip install -r requirements-dev.txt

# run the tests; arguments go to pytest
test *arguments:
    pytest {{ arguments }}

# check style, types and layers
lint:
    ruff check
    ruff format --check
    mypy
    lint-imports

# mend what the formatter and the linter can mend
fix:
    ruff format
    ruff check --fix

# all checks in a fresh environment
ci:
    .ci/run

# show the next version's changelog (needs towncrier)
changelog:
    towncrier build --draft --version next
