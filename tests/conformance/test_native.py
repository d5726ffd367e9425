"""The native loader keeps the contract of a loader, with and without the extension for bytes."""

import shutil
import subprocess
from pathlib import Path

import pytest

from devkit_core.testing.conformance import LoaderConformance

SOURCE = Path(__file__).parent / "native-plugin"
NO_TRACEBACK = "C has no tracebacks: `last_error` gives a message"


@pytest.fixture(scope="class", autouse=True)
def built(request, tmp_path_factory):
    compiler = shutil.which("gcc")
    if compiler is None:
        pytest.skip("needs gcc")
    folder = tmp_path_factory.mktemp("native")
    shutil.copy(SOURCE / "plugin.toml", folder)
    subprocess.run(
        [compiler, "-shared", "-fPIC", "-Wall", "-Wextra", "-Werror", *request.cls.flags]
        + ["-o", folder / "plugin.so", SOURCE / "plugin.c"],
        check=True,
    )
    request.cls.plugin = folder


class TestNative(LoaderConformance):
    plugin = SOURCE
    flags = ()
    unsupported = {
        "nul": "a C string ends at its first NUL; a library that exports execute_bytes takes it",
        "error_source": NO_TRACEBACK,
    }


class TestNativeBytes(LoaderConformance):
    plugin = SOURCE
    flags = ("-DBYTES",)
    unsupported = {"error_source": NO_TRACEBACK}
