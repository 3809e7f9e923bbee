"""Bring the database up to what the Flow Dataset says, now and once; a running system does so by itself."""

import os
import socket
import time
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from flows import database, loader
from flows.loader import Report
from flows.registry import LEASE, LEASE_SECONDS

WAIT_SECONDS = 10.0


class Command(BaseCommand):
    help = (
        "Load the flow files of the dataset. Exit code: 0 all are live, 1 a file has faults, 2 used wrongly."
    )

    def handle(self, **_: Any) -> None:
        holder = f"load_flows@{socket.gethostname()}:{os.getpid()}"
        self._take_turn(holder)
        try:
            report = loader.load()
        except loader.NoDatasetError as problem:
            raise CommandError(str(problem)) from None
        finally:
            database.drop_lease(LEASE, holder)
        self._tell(report)
        if not report.is_clean:
            raise SystemExit(1)

    def _take_turn(self, holder: str) -> None:
        """A running process may hold the lease for good; a pass beside it is safe, only its work is doubled."""
        until = time.monotonic() + LEASE_SECONDS / 6
        while not database.take_lease(LEASE, holder, WAIT_SECONDS) and time.monotonic() < until:
            time.sleep(0.2)

    def _tell(self, report: Report) -> None:
        for finding in report.findings:
            self.stderr.write(finding.text())
        for flow_id in report.published:
            self.stdout.write(f"{flow_id} is live")
        for flow_id in report.retired:
            self.stdout.write(f"{flow_id} is retired: its file is gone")
        broken = [file.name for file in report.files if file.is_broken]
        for name in broken:
            self.stderr.write(f"{name} was not loaded; what was live before stays live")
        done = f"{len(report.published)} published, {len(report.retired)} retired, {len(broken)} broken"
        count = len(report.files)
        self.stdout.write(f"{count} file{'' if count == 1 else 's'}: {done}")
