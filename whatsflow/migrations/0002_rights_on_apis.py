"""Give the groups their rights on secrets, API connections and API calls."""

from importlib import import_module

from django.db import migrations

groups = import_module("whatsflow.migrations.0001_groups")


class Migration(migrations.Migration):
    dependencies = [("whatsflow", "0001_groups"), ("flows", "0003_api_calls")]
    operations = [migrations.RunPython(groups.make_groups, migrations.RunPython.noop)]
