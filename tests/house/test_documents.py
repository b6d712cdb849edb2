"""Documents: what an operator or a client can meet is written down, and nothing of one machine is."""

from __future__ import annotations

import dataclasses
import importlib
import os
import pkgutil
import re
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import urlsplit

import pytest
import typer.main

from . import house

# Each with a tilde in it, so that this file does not name what it forbids.
MACHINE_FOLDERS = [name.replace("~", "") for name in ("/wo~rk", "/ro~ot", "/tmp/pr~obe")]
REGISTRY_HOSTS = [
    name.replace("~", "")
    for name in (
        *(
            "py~pi.org",
            "python~hosted.org",
            "registry.np~mjs.org",
            "registry.ya~rnpkg.com",
            "index.cra~tes.io",
        ),
        *("proxy.go~lang.org", "gh~cr.io", "qu~ay.io", "doc~ker.io", "g~cr.io", "pk~g.dev", "artifac~tory"),
    )
]
# Where a machine says which mirror it installs from; the host of each is forbidden too.
MIRROR_VARIABLES = (
    "PIP_INDEX_URL",
    "PIP_EXTRA_INDEX_URL",
    "UV_INDEX_URL",
    "UV_DEFAULT_INDEX",
    "npm_config_registry",
    "GOPROXY",
)
LINK = re.compile(r"!?\[[^\]]*\]\(\s*<?([^)\s>]+)>?[^)]*\)|(?:src|href|srcset)=\"([^\"]+)\"")


@cache
def package() -> Mapping[str, ModuleType]:
    """Every module of the package, imported, so that each subclass and metric of it is known. A module that cannot be
    imported fails here with its name."""
    assert (house.PACKAGE / "__init__.py").is_file(), "src/onsale/__init__.py does not exist yet"
    root = importlib.import_module("onsale")
    names = [found.name for found in pkgutil.walk_packages(root.__path__, "onsale.", onerror=_cannot_import)]
    return {name: importlib.import_module(name) for name in names if not name.endswith("__main__")}


def _cannot_import(name: str) -> None:
    raise AssertionError(f"{name} cannot be imported, so what it declares is unknown")


def module(name: str) -> ModuleType:
    """One module of the package, after all have been imported; a missing one fails with its name."""
    assert name in package(), f"{name} does not exist yet, and this rule reads it"
    return package()[name]


def below(base: type) -> set[type]:
    """All subclasses of a class, however deep."""
    direct: set[type] = set(base.__subclasses__())
    return direct.union(*(below(kind) for kind in direct))


def ours(kinds: Iterable[type]) -> set[type]:
    """Those declared in the package, not in a test beside us."""
    return {kind for kind in kinds if kind.__module__.startswith("onsale.")}


def settings() -> set[str]:
    """The environment names of the settings object."""
    fields = dataclasses.fields(module("onsale.config").Settings)
    names = {field.metadata.get("env", "") for field in fields}
    silent = [field.name for field in fields if not field.metadata.get("env") or not field.metadata.get("help")]
    assert not silent, f"fields of Settings without `env` and `help`: {silent}"
    return names


def codes() -> set[str]:
    """Every error code an answer can carry."""
    problem = module("onsale.kit.problems").Problem
    return {str(getattr(kind, "code", "")) for kind in ours({problem, *below(problem)})} - {""}


def doubled(kinds: Iterable[type]) -> list[str]:
    """Codes that two classes give themselves; inheriting a code is not giving it."""
    given: dict[str, set[str]] = {}
    for kind in kinds:
        if "code" in vars(kind):
            given.setdefault(str(vars(kind)["code"]), set()).add(f"{kind.__module__}.{kind.__qualname__}")
    return [f"{code}: {', '.join(sorted(names))}" for code, names in sorted(given.items()) if len(names) > 1]


def commands() -> set[str]:
    """Every command of the command line, as it is typed."""
    return set(typed("onsale", typer.main.get_command(module("onsale.cli").app)))


def typed(name: str, command: Any) -> list[str]:
    """The leaves of a command tree with the words before them; hidden ones are for machines and left out."""
    children = getattr(command, "commands", None)
    if not children:
        return [name]
    return [
        text
        for child, below_it in sorted(children.items())
        if not below_it.hidden
        for text in typed(f"{name} {child}", below_it)
    ]


def metrics() -> set[str]:
    """Every metric declared through telemetry."""
    return set(module("onsale.kit.telemetry").METRICS)


def facts() -> set[str]:
    """Every fact, by the name it is recorded under."""
    return {kind.__name__ for kind in ours(below(module("onsale.kit.facts").Fact))}


def unnamed(names: Iterable[str], text: str) -> list[str]:
    """Names that the text does not contain as whole words."""
    return [name for name in sorted(names) if not re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", text)]


def hold_together(what: str, names: set[str], document: str) -> None:
    """Every name stands in the document; none at all means that the rule looked in the wrong place."""
    assert names, f"the package declares no {what}, or this rule looks for them in the wrong place"
    text = house.required(document).read_text(encoding="utf-8")
    assert not unnamed(names, text), house.told(unnamed(names, text), f"{document} does not name each {what}:")


def forbidden(environ: Mapping[str, str]) -> re.Pattern[str]:
    """Absolute paths of a developer's machine, and hosts of package registries, this machine's own mirror included."""
    urls = [url for name in MIRROR_VARIABLES for url in environ.get(name, "").split()]
    mirrors = {host for url in urls if (host := urlsplit(url).hostname) and host not in ("localhost", "127.0.0.1")}
    folders = "|".join(map(re.escape, MACHINE_FOLDERS))
    hosts = "|".join(map(re.escape, [*REGISTRY_HOSTS, *sorted(mirrors)]))
    return re.compile(
        rf"(?<![\w.~}}*-])(?:{folders})(?![\w.-])|(?<![\w-])(?:[\w-]+\.)*(?:{hosts})(?![\w-])", re.IGNORECASE
    )


def leaks(name: str, text: str, pattern: re.Pattern[str]) -> list[str]:
    """Lines that hold what only one machine knows."""
    return [
        f"{name}:{number} {match.group()!r}"
        for number, line in enumerate(text.splitlines(), 1)
        if (match := pattern.search(line))
    ]


def broken_links(path: Path, text: str, root: Path) -> list[str]:
    """Relative links of a Markdown file that lead nowhere; code blocks and other sites are left alone."""
    prose = re.sub(r"^(```|~~~).*?^\1|`[^`\n]*`", "", text, flags=re.MULTILINE | re.DOTALL)
    found = []
    for match in LINK.finditer(prose):
        target = (match.group(1) or match.group(2)).split("#")[0].split("?")[0]
        if target and not re.match(r"[a-z][a-z0-9+.-]*:|//", target):
            place = root / target.lstrip("/") if target.startswith("/") else path.parent / target
            found += [] if place.exists() else [f"{path.relative_to(root)} -> {target}"]
    return found


def test_every_setting_is_documented() -> None:
    """An operator learns a setting from the document or by reading our code during an outage."""
    hold_together("setting", settings(), "docs/settings.md")


def test_no_document_promises_a_setting_that_is_gone() -> None:
    """A setting that only the document knows is set with care and does nothing."""
    named = set(
        re.findall(r"\bONSALE_[A-Z0-9_]*[A-Z0-9]\b", house.required("docs/settings.md").read_text(encoding="utf-8"))
    )
    gone = sorted(named - settings())
    assert not gone, house.told(gone, "docs/settings.md names settings that do not exist:")


def test_every_error_code_is_documented() -> None:
    """The code is the part of an error that a client's program decides by, and its `type` links to this document."""
    hold_together("error code", codes(), "docs/errors.md")


def test_an_error_code_has_one_meaning() -> None:
    """Two classes with one code are two meanings that no client can tell apart."""
    problem = module("onsale.kit.problems").Problem
    found = doubled(ours({problem, *below(problem)}))
    assert not found, house.told(found, "These codes are given twice:")


def test_every_command_is_documented() -> None:
    """A command that nobody can find is run by hand as SQL instead."""
    hold_together("command", commands(), "docs/commands.md")


def test_every_metric_is_documented() -> None:
    """A graph is read at night by somebody who did not write the counter."""
    hold_together("metric", metrics(), "docs/metrics.md")


def test_every_fact_is_documented() -> None:
    """Facts are how rooms that do not know each other work together: their list is the map of what follows what."""
    hold_together("fact", facts(), "docs/facts.md")


def test_no_file_names_a_machine_or_a_registry() -> None:
    """A path of the machine it was written on, or the mirror it was installed from, makes a clone fail elsewhere in a
    way that cannot be repeated here."""
    found, pattern = [], forbidden(os.environ)
    for path in house.committed_files():
        data = path.read_bytes()
        if b"\0" not in data[:8192]:
            found += leaks(path.relative_to(house.ROOT).as_posix(), data.decode("utf-8", "replace"), pattern)
    assert not found, house.told(found[:50], "Take these out:")


def test_links_lead_somewhere() -> None:
    """The README is the first page anybody opens; a dead link on it is the first thing they learn about the project."""
    house.required("README.md")
    pages = [path for path in house.committed_files() if path.suffix == ".md"]
    found = [fault for path in pages for fault in broken_links(path, path.read_text(encoding="utf-8"), house.ROOT)]
    assert not found, house.told(found, "These links lead nowhere:")


def test_an_undocumented_name_is_seen() -> None:
    """Negative control: a missing name, a part of a longer one, and a document that is not there."""
    assert unnamed(["seats_taken", "held"], "`seats_taken_twice`, on-hold, held") == ["seats_taken"]
    assert unnamed(["onsale drop run"], "Run `onsale drop run` first.") == []
    with pytest.raises(AssertionError, match="declares no thing"):
        hold_together("thing", set(), "docs/no-such-document.md")
    with pytest.raises(AssertionError, match="does not exist yet"):
        hold_together("thing", {"never written"}, "docs/no-such-document.md")


def test_deep_subclasses_and_doubled_codes_are_seen() -> None:
    """Negative control: a code two classes deep is found; one that is inherited counts as one."""
    base = type("Base", (), {"code": "base"})
    child = type("Child", (base,), {"code": "taken"})
    grandchild = type("Grandchild", (child,), {})
    assert below(base) == {child, grandchild}
    assert not doubled({base, child, grandchild})
    assert len(doubled({base, child, type("Twin", (base,), {"code": "taken"})})) == 1
    assert not ours({base})


def test_commands_of_a_group_are_seen() -> None:
    """Negative control: a nested command is named with the words before it, a hidden one is not asked for."""
    app, group = typer.Typer(), typer.Typer()
    app.command("up")(lambda: None)
    app.command("inner", hidden=True)(lambda: None)
    group.command("run")(lambda: None)
    group.command("report")(lambda: None)
    app.add_typer(group, name="drop")
    assert typed("onsale", typer.main.get_command(app)) == [
        "onsale drop report",
        "onsale drop run",
        "onsale up",
    ]


def test_a_leak_is_seen() -> None:
    """Negative control: paths and hosts in the forms they leak in; paths that only look alike pass."""
    pattern = forbidden({"PIP_INDEX_URL": "https://someone:word@mirror.example.net:8080/simple"})
    hosts = [f"https://{host}/simple" for host in (*REGISTRY_HOSTS, "files." + REGISTRY_HOSTS[1], "mirror.example.net")]
    paths = [
        form.format(folder) for folder in MACHINE_FOLDERS for form in ("cd {}/main", '"{}"', "PATH={}/v/bin:x", "{}")
    ]
    for text in hosts + paths:
        assert len(leaks("a", text, pattern)) == 1, text
    for text in (
        "docs/work/a.md",
        "/api/v1/work",
        "https://example.org/root/",
        "~/work/x",
        "/workers/",
        "/roots",
    ):
        assert not leaks("a", text, pattern), text


def test_a_dead_link_is_seen(tmp_path: Path) -> None:
    """Negative control: text links, pictures, anchors, rooted paths and HTML; code and other sites pass."""
    (tmp_path / "here.md").write_text("")
    page = tmp_path / "README.md"
    dead = (
        "[a](gone.md)",
        "![a](gone.png)",
        "[a](gone.md#part)",
        '<img src="gone.png">',
        "[a](/docs/gone.md)",
        '[a](gone.md "t")',
    )
    for text in dead:
        assert len(broken_links(page, text, tmp_path)) == 1, text
    for text in (
        "[a](here.md#x)",
        "[a](https://example.org/gone)",
        "[a](#x)",
        "`[a](gone.md)`",
        "```\n[a](gone.md)\n```",
    ):
        assert not broken_links(page, text, tmp_path), text
