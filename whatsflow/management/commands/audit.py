"""Prove from the tables that nothing was lost, doubled or left hanging."""

import json
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from conversations import audit


class Command(BaseCommand):
    help = "Check the invariants of the conversation way; exits with 1 on a breach."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="print one JSON object")
        parser.add_argument(
            "--at-rest", action="store_true", help="also ask what holds only once nothing is under way"
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        findings = list(audit.check(at_rest=options["at_rest"]))
        breaches = [f for f in findings if f.is_breach]
        if options["json"]:
            self.stdout.write(
                json.dumps({"breaches": [_record(f) for f in breaches], "checked": len(findings)})
            )
        else:
            for finding in findings:
                self.stdout.write(_line(finding))
            self.stdout.write(f"{len(findings)} invariants checked, {len(breaches)} broken")
        if breaches:
            sys.exit(1)


def _record(finding: audit.Finding) -> dict[str, Any]:
    return {
        "code": finding.invariant.code,
        "says": finding.invariant.says,
        "count": finding.count,
        "examples": list(finding.examples),
    }


def _line(finding: audit.Finding) -> str:
    mark = "BROKEN" if finding.is_breach else "ok"
    named = f": {finding.count} rows, such as {', '.join(finding.examples)}" if finding.is_breach else ""
    return f"{finding.invariant.code:<4}{mark:<7}{finding.invariant.says}{named}"
