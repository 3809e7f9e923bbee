"""Examine flow files: all faults of all files in one pass, each with file, line and column."""

import json
from argparse import ArgumentParser
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from flows import loader
from flows.apis.addresses import parse_networks
from flows.dataset import Source, json_files, read_file
from flows.findings import Finding
from flows.lint import LintedFile, lint, lint_api, lint_data
from flows.testing import lint_tests

FORMATS = ("text", "json", "github")


class Command(BaseCommand):
    help = "Examine flow files, or those of the dataset. Exit code: 0 clean, 1 faults found, 2 used wrongly."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("paths", nargs="*", metavar="PATH", help="files or folders (the dataset)")
        parser.add_argument("--format", choices=FORMATS, default="text")
        parser.add_argument("--strict", action="store_true", help="warnings are faults too")

    def handle(self, *, paths: list[str], format: str, strict: bool, **_: Any) -> None:  # noqa: A002 - the option's name
        missing = [path for path in paths if not Path(path).exists() and not Path(path).is_symlink()]
        for path in missing:
            self.stderr.write(f"{path}: there is no such file or folder")
        if missing:
            raise SystemExit(2)
        files = _examined(paths)
        findings = [finding for file in files for finding in file.findings]
        self.stdout.write(_printed(findings, files, format), ending="")
        if any(finding.is_error or strict for finding in findings):
            raise SystemExit(1)


def _examined(paths: list[str]) -> list[LintedFile]:
    source = loader.dataset()
    asked = list(_sources(paths)) if paths else [source.read(name) for name in source.flow_files()]
    records = [asked_for for asked_for in asked if _is_record(asked_for)]
    flows = [asked_for for asked_for in asked if not _is_record(asked_for)]
    context = list(_neighbours(paths)) if paths else []
    files = lint(flows, catalog=loader.catalog(source), context=context)
    files += [_linted_api(record) for record in records]
    if not paths:
        files += [_linted_api(source.read(name)) for name in source.api_files()]
        files += [lint_data(source.read(name)) for name in source.data_files()]
        files += lint_tests([source.read(name) for name in source.test_files()], [f.flow_id for f in files])
    return files


def _is_record(source: Source) -> bool:
    """Whether a file that was given lies in a folder of API records."""
    return Path(source.name).resolve().parent.name == "apis"


def _linted_api(source: Source) -> LintedFile:
    """Judge a record as the door will: by the networks that the operator opened."""
    opened = getattr(settings, "WHATSFLOW_PRIVATE_NETWORKS", [])
    return lint_api(source, allowed=parse_networks(opened))


def _sources(paths: Iterable[str]) -> Iterable[Source]:
    """The files to judge, by the name under which they were given."""
    for path in paths:
        folder = Path(path)
        if folder.is_dir():
            inner = folder / "flows" if (folder / "flows").is_dir() else folder
            yield from (read_file(file, name=str(file)) for file in json_files(inner))
            yield from (read_file(file, name=str(file)) for file in json_files(folder / "apis"))
        else:
            yield read_file(folder, name=path)


def _neighbours(paths: Iterable[str]) -> Iterable[Source]:
    """Files beside those that were given: they may be referred to, but are not judged."""
    given = {Path(path).resolve() for path in paths if not Path(path).is_dir()}
    for folder in sorted({path.parent for path in given}):
        for file in json_files(folder):
            if file.resolve() not in given and folder.name != "apis":
                yield read_file(file, name=str(file))


def _printed(findings: list[Finding], files: list[LintedFile], form: str) -> str:
    errors = sum(finding.is_error for finding in findings)
    counts = {"files": len(files), "errors": errors, "warnings": len(findings) - errors}
    if form == "json":
        document = {**counts, "faults": [finding.to_json() for finding in findings]}
        return json.dumps(document, indent=2, ensure_ascii=False) + "\n"
    if form == "github":
        return "".join(finding.github() + "\n" for finding in findings)
    lines = [finding.text() for finding in findings]
    summary = ", ".join(_counted(number, noun) for noun, number in counts.items())
    return "\n".join([*lines, summary]) + "\n"


def _counted(number: int, nouns: str) -> str:
    return f"{number} {nouns.removesuffix('s') if number == 1 else nouns}"
