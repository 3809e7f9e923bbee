"""HTTP in production: webhook, admin and API."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "whatsflow.settings")
application = get_wsgi_application()

from whatsflow import sweeper  # noqa: E402 - it needs the apps to be ready

sweeper.start_in_web()
