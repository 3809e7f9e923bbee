#!/usr/bin/env python
"""Run one of the project's commands; ``manage.py help`` lists them."""

import os
import sys

from django.core.management import execute_from_command_line

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "whatsflow.settings")
    if sys.argv[1:2] in (["up"], ["run_worker"]):
        # They show no pages, and start sooner without the admin.
        os.environ.setdefault("WHATSFLOW_ROLE", "command")
    execute_from_command_line(sys.argv)
