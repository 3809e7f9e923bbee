"""Play the flow tests of the dataset, and print the conversation of each that fails."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand

from flows import loader, testing
from flows.dataset import Dataset, Source, json_files, read_file
from flows.lint import LintedFile, lint, lint_data
from flows.stage import Library
from flows.testing import CaseResult


class Command(BaseCommand):
    help = "Play flow tests, or all of the dataset. Exit code: 0 all pass, 1 one fails, 2 used wrongly."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("paths", nargs="*", metavar="PATH", help="test files or folders (the dataset's)")
        parser.add_argument("--flows", metavar="FOLDER", help="folder of the flow files (the dataset's)")
        parser.add_argument("--verbose", action="store_true", help="print every conversation")

    def handle(self, *, paths: list[str], flows: str | None, verbose: bool, **_: Any) -> None:
        missing = [path for path in (*paths, *([flows] if flows else [])) if not Path(path).exists()]
        for path in missing:
            self.stderr.write(f"{path}: there is no such file or folder")
        if missing:
            raise SystemExit(2)
        source = loader.dataset()
        files = _flow_files(source, flows)
        tests = testing.lint_tests(_test_sources(source, paths), [file.flow_id for file in files])
        library = loader.library(files, [lint_data(source.read(name)) for name in source.data_files()], {})
        passed = [self._play(test, library, verbose=verbose) for test in tests]
        count, failed = len(passed), passed.count(False)
        files_words = "1 test file" if count == 1 else f"{count} test files"
        verdict = f", {failed} with failures" if failed else " passes" if count == 1 else " pass"
        self.stdout.write(files_words + verdict)
        if failed:
            raise SystemExit(1)

    def _play(self, test: LintedFile, library: Library, *, verbose: bool) -> bool:
        for finding in test.findings:
            self.stdout.write(finding.text())
        if test.is_broken:
            return False
        if test.value["flow"] not in library.flows:
            self.stdout.write(f'{test.name}: the flow "{test.value["flow"]}" has faults; see check_flows')
            return False
        results = testing.run_cases(test.value, library)
        for result in results:
            self._tell(test, result, verbose=verbose)
        steps = library.flows[test.value["flow"]].steps
        seen = {step for result in results for flow, step in result.steps if flow == test.value["flow"]}
        self.stdout.write(f"  {len(seen & set(steps))} of {len(steps)} steps entered")
        return all(result.has_passed for result in results)

    def _tell(self, test: LintedFile, result: CaseResult, *, verbose: bool) -> None:
        self.stdout.write(f"{'ok  ' if result.has_passed else 'FAIL'} {test.name}: {result.name}")
        if not result.has_passed:
            place = test.source.document.place(result.path)
            self.stdout.write(f"     {test.name}:{place.line}:{place.column}: {result.failure}")
        if verbose or not result.has_passed:
            for line in result.transcript:
                self.stdout.write(f"     | {line}")


def _flow_files(source: Dataset, folder: str | None) -> list[LintedFile]:
    if folder is None:
        read = [source.read(name) for name in source.flow_files()]
    else:
        read = [read_file(path, name=str(path)) for path in json_files(Path(folder))]
    return lint(read, catalog=loader.catalog(source))


def _test_sources(source: Dataset, paths: list[str]) -> list[Source]:
    if not paths:
        return [source.read(name) for name in source.test_files()]
    found: list[Source] = []
    for path in map(Path, paths):
        files = json_files(path) if path.is_dir() else [path]
        found += [read_file(file, name=str(file)) for file in files]
    return found
