"""devkit plugin info: everything about one plugin, read from its folder."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Any

import click

from devkit_core.cli.errors import render
from devkit_core.cli.grammar import command, pass_session
from devkit_core.cli.limits import limit_data, limit_lines
from devkit_core.cli.offer_facts import offer_data, offer_manifest, offer_view, offered_lines
from devkit_core.cli.offers import described
from devkit_core.cli.output import Facts, Rendered, Styled, View
from devkit_core.cli.plugin_ids import plugin_argument
from devkit_core.cli.rights import Rights, rights_of
from devkit_core.cli.session import Session
from devkit_core.errors import DevKitError, NotFound
from devkit_core.model.config_fields import plain
from devkit_core.model.limits import Held
from devkit_core.model.manifest import Manifest
from devkit_core.model.schema_misses import expectation
from devkit_core.model.types import Discovered
from devkit_core.model.versions import parse_requirement, parse_runtime_version
from devkit_core.running.limits import limits_of

__all__ = ["info"]


@command(
    "info",
    examples=(
        "devkit plugin info test-plugin",
        "devkit plugin info test-plugin --format json",
        "devkit plugin info python-formatter --offers",
    ),
)
@plugin_argument
@click.option("--offers", "ask", is_flag=True, help="Ask the catalogues too, for a plugin that is here.")
@pass_session
def info(session: Session, plugin: str, ask: bool) -> None:
    """Show what a plugin's manifest says, its permissions, its dependencies and what is wrong. Runs nothing.

    A plugin that can't be used is shown too, with its error. One that is not here is shown by what the
    catalogues say of it.
    """
    try:
        found = session.plugin(plugin)
    except NotFound:
        offers, problems = described(session, plugin)
        if not offers:
            raise
        known = {"id": plugin, "folder": None, **offer_manifest(offers[0])}
        known |= {"offers": [offer_data(each) for each in offers], "problems": problems}
        session.output.data("plugin-info/1", known, lambda: offer_view(offers))
        return
    offers, problems = described(session, plugin) if ask else ([], [])
    from devkit_core.cli.commands.plugin_stats import running

    manifest = found.manifest
    kind, problem = _kind(session, found)
    rights = rights_of(session, found) if manifest is not None else None
    limits = limits_of(manifest, session.settings.config) if manifest is not None else ()
    data: dict[str, Any] = {
        "id": found.id,
        "folder": str(found.folder),
        "source": found.source,
        "kind": kind,
        "enabled": session.state.is_enabled(found.id, found.folder),
        "shadows": [
            {"source": each.source, "folder": str(each.folder)}
            for each in session.plugins
            if each.id == found.id and each.shadowed_by is not None
        ],
        **(_manifest(manifest) if manifest is not None else {}),
        "dependencies": _dependencies(session, manifest) if manifest is not None else [],
        "permissions": rights.as_data() if rights else None,
        "limits": limit_data(limits),
        "error": problem.as_dict() if problem else None,
        "warnings": [asdict(each) for each in found.warnings],
        "offers": [offer_data(each) for each in offers] if ask else None,
        "problems": problems,
        "running": running(session, found.id),
    }
    session.output.data("plugin-info/1", data, lambda: _view(session, found, data, rights, limits, problem))


def _kind(session: Session, found: Discovered) -> tuple[str, DevKitError | None]:
    """Return the loader that would run it, and what is wrong with it, where something is."""
    if found.error is not None or found.manifest is None:
        return "", found.error
    from devkit_core.running.factory import choose, entry_of

    try:
        entry = entry_of(found.folder, found.manifest)
        order = session.settings.config.loader_order
        return choose(entry, session.extensions.loaders(), order, plugin=found.id).name, None
    except DevKitError as error:
        return "", error


def _manifest(manifest: Manifest) -> dict[str, Any]:
    about = manifest.metadata
    return {
        "name": about.name,
        "version": about.version,
        "description": about.description,
        "author": about.author,
        "license": about.license,
        "homepage": about.homepage,
        "repository": about.repository,
        "tags": list(about.tags),
        "created_at": _moment(about.created_at),
        "updated_at": _moment(about.updated_at),
        "min_devkit_version": about.min_devkit_version,
        "max_devkit_version": about.max_devkit_version,
        "entry_point": about.entry_point,
        "capabilities": list(manifest.capabilities),
        "functions": [
            {
                "name": name,
                "description": each.description,
                "input": plain(each.input),
                "output": plain(each.output),
            }
            for name, each in manifest.functions.items()
        ],
    }


def _moment(moment: datetime | None) -> str | None:
    return moment.isoformat().replace("+00:00", "Z") if moment else None


def _dependencies(session: Session, manifest: Manifest) -> list[dict[str, Any]]:
    provided = {
        each.id: each.manifest.version
        for each in session.plugins
        if each.manifest is not None and each.error is None and each.shadowed_by is None
    }
    provided.update(session.extensions.runtimes())
    return [
        {
            "id": each.id,
            "version": each.version,
            "optional": each.optional,
            "reason": each.reason,
            "found": provided.get(each.id),
            "met": each.id in provided
            and parse_requirement(each.version).allows(parse_runtime_version(provided[each.id])),
        }
        for each in manifest.dependencies
    ]


def _view(
    session: Session,
    found: Discovered,
    data: dict[str, Any],
    rights: Rights | None,
    limits: tuple[Held, ...],
    problem: DevKitError | None,
) -> View:
    if problem is not None:
        yield Rendered(render(problem, colour=session.output.colour) + "\n")
    rows: list[tuple[str, str | Styled]] = [("id", Styled(found.id, "accent"))]
    for key in ("name", "version", "description", "author", "license", "homepage", "repository"):
        if data.get(key):
            rows.append((key, data[key]))
    for key in ("tags", "capabilities"):
        if data.get(key):
            rows.append((key, ", ".join(data[key])))
    rows += [("folder", data["folder"]), ("source", data["source"])]
    rows += [("shadows", "\n".join(each["folder"] for each in data["shadows"]))] if data["shadows"] else []
    if data.get("entry_point"):
        rows.append(("entry point", f"{data['entry_point']} ({data['kind'] or 'no loader runs it'})"))
    for key in ("created_at", "updated_at", "min_devkit_version", "max_devkit_version"):
        if data.get(key):
            rows.append((key.replace("_", " "), data[key]))
    if not data["enabled"]:
        rows.append(("disabled", Styled(f"devkit plugin enable {found.id}", "warn")))
    if data.get("functions"):
        rows.append(("functions", "\n".join(_function(each) for each in data["functions"])))
    if data["dependencies"]:
        rows.append(("needs", "\n".join(_dependency(each) for each in data["dependencies"])))
    if rights is not None:
        rows.append(("permissions", rights.summary()))
        if to_grant := rights.command():
            rows.append(("to grant", Styled(to_grant, "warn")))
    if limits:
        rows.append(("limits", "\n".join(limit_lines(limits, session.settings.origins))))
    rows += [("offered", text) for text in offered_lines(data["offers"] or ())]
    if data["running"]:
        from devkit_core.cli.commands.plugin_stats import running_line

        rows.append(("running in", "\n".join(running_line(each) for each in data["running"])))
    yield Facts(rows)
    for warning in found.warnings:
        session.output.warn(f"{warning.place}: {warning.message}", hint=warning.hint)


def _function(function: dict[str, Any]) -> str:
    """Return a function's line: `count(text, words?) → an integer: Counts the words`."""
    schema = function["input"]
    takes = ""
    if schema is not None:
        keys = schema.get("properties") or {}
        required = schema.get("required", ())
        takes = ", ".join(key if key in required else f"{key}?" for key in keys) or expectation(schema)
    line = f"{function['name']}({takes})" if takes else function["name"]
    line += f" → {expectation(function['output'])}" if function["output"] is not None else ""
    return f"{line}: {function['description']}" if function["description"] else line


def _dependency(dependency: dict[str, Any]) -> str:
    word = "met" if dependency["met"] else "missing" if dependency["found"] is None else "another version"
    have = f" by {dependency['found']}" if dependency["found"] else ""
    optional = ", optional" if dependency["optional"] else ""
    return f"{dependency['id']} {dependency['version']} ({word}{have}{optional})"
