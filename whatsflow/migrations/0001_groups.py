"""Make the seven groups. A group that staff made under such a name keeps what it has and gains the rest."""

from django.contrib.auth.management import create_permissions
from django.db import migrations

from whatsflow.groups import GROUPS, rights_of

APPS = ("flows", "conversations", "auth", "axes", "otp_totp")


def make_groups(apps, schema_editor):
    _create_permissions(apps, schema_editor.connection.alias)
    permissions = apps.get_model("auth", "Permission").objects.select_related("content_type")
    known = {f"{p.content_type.app_label}.{p.codename}": p for p in permissions}
    for name in GROUPS:
        group, _created = apps.get_model("auth", "Group").objects.get_or_create(name=name)
        group.permissions.add(*(known[right] for right in rights_of(name, known)))


def _create_permissions(apps, alias):
    """Permissions are made after all migrations as a rule; a new database has none at this point."""
    for label in APPS:
        config = apps.get_app_config(label)
        kept = getattr(config, "models_module", None)
        config.models_module = True
        create_permissions(config, using=alias, apps=apps, verbosity=0)
        config.models_module = kept


class Migration(migrations.Migration):
    initial = True
    dependencies = [
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
        ("axes", "0009_add_session_hash"),
        ("otp_totp", "0003_add_timestamps"),
        ("flows", "0001_initial"),
        ("conversations", "0001_initial"),
    ]
    operations = [migrations.RunPython(make_groups, migrations.RunPython.noop)]
