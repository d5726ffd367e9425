"""Each error ends with the exit code that the reference promises."""

import pytest

from devkit_core import errors
from devkit_core.cli.exit_codes import MEANINGS, Exit, exit_code


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.UsageError("x"), 2),
        (errors.ConfigError("x"), 2),
        (errors.ManifestError([errors.Problem("c", "m")]), 1),
        (errors.NotFound("x"), 3),
        (errors.LoadError("x"), 1),
        (errors.LoaderMissing("x"), 3),
        (errors.EntryPointError("x"), 1),
        (errors.InitializeFailed("x"), 1),
        (errors.InitializeFailed("x", code="initialize-timeout"), 8),
        (errors.PluginRaised("x"), 1),
        (errors.CallTimeout("x"), 8),
        (errors.WorkerCrashed("x"), 1),
        (errors.PermissionDenied("x"), 4),
        (errors.Unconfined("x"), 4),
        (errors.DependencyMissing("x"), 5),
        (errors.DependencyCycle("x"), 5),
        (errors.HasDependents("x"), 5),
        (errors.IntegrityError("x"), 6),
        (errors.ArchiveRefused("x"), 6),
        (errors.NetworkError("x"), 7),
        (errors.StateError("x"), 1),
        (RuntimeError("x"), 70),
    ],
)
def test_exit_code(error: BaseException, code: int) -> None:
    assert exit_code(error) == code


def test_every_code_has_a_meaning() -> None:
    assert set(MEANINGS) == set(Exit)
