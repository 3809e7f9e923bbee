"""The one settings file, in sections; every value comes from the environment (see ``.env.example``)."""

import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import environ
from csp.constants import NONCE, SELF, UNSAFE_EVAL
from django.core.exceptions import ImproperlyConfigured
from django.templatetags.static import static
from django.urls import reverse_lazy
from django.utils.translation import gettext_lazy as _

from whatsflow import env

BASE_DIR = Path(__file__).resolve().parent.parent
if (BASE_DIR / ".env").exists():
    environ.Env.read_env(str(BASE_DIR / ".env"))
VAR_DIR = Path(env.text("WHATSFLOW_VAR", str(BASE_DIR / "var"))).resolve()

# --- Mode -------------------------------------------------------------------------------------------------
DEBUG = env.flag("DEBUG", default=False)
DATABASE_URL = env.text("DATABASE_URL", f"sqlite:///{VAR_DIR / 'whatsflow.sqlite3'}")
IS_SQLITE = DATABASE_URL.startswith("sqlite:")
# The simulator is on by itself only with the demo's database; who set PostgreSQL up must ask for it.
SIMULATOR_ENABLED = env.flag("WHATSFLOW_SIMULATOR", default=IS_SQLITE)
IS_DEMO = IS_SQLITE and SIMULATOR_ENABLED
IS_TESTING = "pytest" in sys.modules
# A demo or a developer's machine makes its own keys once; production refuses to start without them.
_keys = VAR_DIR / "keys" if DEBUG or IS_DEMO else None

# --- Secrets ----------------------------------------------------------------------------------------------
WHATSAPP_APP_SECRETS = env.words("WHATSAPP_APP_SECRET")
WHATSAPP_VERIFY_TOKEN = env.text("WHATSAPP_VERIFY_TOKEN")
if _keys is None:
    env.missing(
        {
            name: env.text(name)
            for name in (
                "SECRET_KEY",
                "ALLOWED_HOSTS",
                "WHATSAPP_APP_SECRET",
                "WHATSAPP_VERIFY_TOKEN",
                "WHATSFLOW_ENCRYPTION_KEYS",
                "WHATSFLOW_HASH_KEY",
            )
        }
    )
SECRET_KEY = env.secret("SECRET_KEY", _keys)
WHATSFLOW_ENCRYPTION_KEYS = env.fernet_keys("WHATSFLOW_ENCRYPTION_KEYS", _keys)
WHATSFLOW_HASH_KEY = env.secret("WHATSFLOW_HASH_KEY", _keys)

# --- WhatsApp ---------------------------------------------------------------------------------------------
WHATSAPP_TOKEN = env.text("WHATSAPP_TOKEN")
WHATSAPP_PHONE_ID = env.text("WHATSAPP_PHONE_ID")
WHATSAPP_BUSINESS_ACCOUNT_ID = env.text("WHATSAPP_BUSINESS_ACCOUNT_ID")
WHATSAPP_APP_ID = env.text("WHATSAPP_APP_ID")
WHATSAPP_GRAPH_URL = env.url("WHATSAPP_GRAPH_URL", "https://graph.facebook.com", ("https", "http"))
WHATSAPP_GRAPH_VERSION = env.matching("WHATSAPP_GRAPH_VERSION", "v23.0", r"v\d+\.\d+", "v23.0")

# --- Simulator --------------------------------------------------------------------------------------------
# It has its own app secret and token, so that it can never serve, or be taken for, a real number.
_simulator_keys = VAR_DIR / "keys"
SIMULATOR_APP_SECRET = env.secret("SIMULATOR_APP_SECRET", _simulator_keys) if SIMULATOR_ENABLED else ""
SIMULATOR_TOKEN = env.secret("SIMULATOR_TOKEN", _simulator_keys) if SIMULATOR_ENABLED else ""
SIMULATOR_VERIFY_TOKEN = env.secret("SIMULATOR_VERIFY_TOKEN", _simulator_keys) if SIMULATOR_ENABLED else ""
# The number that the demo answers on; it exists in the simulator and in the product.
SIMULATOR_PHONE_NUMBER_ID = "1000000001"
SIMULATOR_WABA_ID = "2000000001"
PORT = env.integer("PORT", 8000, low=1, high=65535)
# Where this installation can be reached by its own processes.
SIMULATOR_BASE_URL = env.url("SIMULATOR_BASE_URL", f"http://127.0.0.1:{PORT}", ("http", "https"))
SIMULATOR_WEBHOOK_URL = env.url(
    "SIMULATOR_WEBHOOK_URL", f"http://127.0.0.1:{PORT}/webhooks/whatsapp", ("http", "https")
)

# --- WhatsFlow --------------------------------------------------------------------------------------------
WHATSFLOW_DATASETS = env.directory("WHATSFLOW_DATASETS", BASE_DIR / "datasets")
WHATSFLOW_PROCESSORS = env.directory("WHATSFLOW_PROCESSORS", BASE_DIR / "processors")
WHATSFLOW_OUTBOUND = env.flag("WHATSFLOW_OUTBOUND", default=True)
# A door that is this far behind answers 503; Meta redelivers, and the turns get the machine.
WHATSFLOW_BACKLOG_LIMIT = env.integer("WHATSFLOW_BACKLOG_LIMIT", 5000, low=10, high=10_000_000)
WHATSFLOW_LANES_PER_BATCH = env.integer("WHATSFLOW_LANES_PER_BATCH", 64, low=1, high=500)
WHATSFLOW_SENDS_IN_FLIGHT = env.integer("WHATSFLOW_SENDS_IN_FLIGHT", 128, low=1, high=1000)
WHATSFLOW_PROCESSOR_CHILDREN = env.integer("WHATSFLOW_PROCESSOR_CHILDREN", 2, low=1, high=64)
# API records: calls at the same time, the environment of their files, and what the operator opens for them.
WHATSFLOW_API_CALLS = env.integer("WHATSFLOW_API_CALLS", 32, low=1, high=512)
WHATSFLOW_API_ENVIRONMENT = env.text("WHATSFLOW_API_ENVIRONMENT")
WHATSFLOW_API_MOCKS = env.flag("WHATSFLOW_API_MOCKS", default=False)
WHATSFLOW_API_PORTS = [int(port) for port in env.words("WHATSFLOW_API_PORTS") if port.isdecimal()]
WHATSFLOW_PRIVATE_NETWORKS = env.words("WHATSFLOW_PRIVATE_NETWORKS")
WHATSFLOW_EGRESS_PROXY = env.text("WHATSFLOW_EGRESS_PROXY")
WHATSFLOW_SWEEP_SECONDS = env.integer("WHATSFLOW_SWEEP_SECONDS", 5, low=1, high=60)
# A web process may do a worker's work as well, where nothing else can run.
WHATSFLOW_WEB_WORKS = env.flag("WHATSFLOW_WEB_WORKS", default=False)
WHATSFLOW_ROLE = env.one_of("WHATSFLOW_ROLE", "web", ("web", "worker", "beat", "command"))

# --- Django -----------------------------------------------------------------------------------------------
ALLOWED_HOSTS = env.words("ALLOWED_HOSTS", ("localhost", "127.0.0.1", "[::1]") if _keys else ())
CSRF_TRUSTED_ORIGINS = env.words("CSRF_TRUSTED_ORIGINS")
INSTALLED_APPS = [
    "unfold.apps.BasicAppConfig",
    "unfold.contrib.filters",
    "unfold.contrib.import_export",
    "whatsflow.apps.WhatsflowAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django_otp",
    "django_otp.plugins.otp_totp",
    "django_otp.plugins.otp_static",
    "axes",
    "csp",
    "channels",
    "rest_framework",
    "rest_framework.authtoken",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "import_export",
    "flows",
    "conversations",
    "campaigns",
    "analytics",
    "simulator",
    "whatsflow",
]
# Reached without what pages need: whatsflow/doors.py.
MACHINE_DOORS = ("/webhooks/whatsapp", "/simulator/graph/")
MIDDLEWARE = [
    "whatsflow.doors.StraightDoors",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "whatsflow.policy.AdminPolicyMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django_otp.middleware.OTPMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "axes.middleware.AxesMiddleware",
]
ROOT_URLCONF = "whatsflow.urls"
ASGI_APPLICATION = "whatsflow.asgi.application"
WSGI_APPLICATION = "whatsflow.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "whatsflow" / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "csp.context_processors.nonce",
            ]
        },
    }
]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
DATA_UPLOAD_MAX_MEMORY_SIZE = 4 * 1024 * 1024

# --- Databases --------------------------------------------------------------------------------------------
# "door" is the same database with the webhook's own, shorter limits: it must answer Meta within 3 s.


def _sqlite(timeout_seconds: int) -> dict[str, Any]:
    path = DATABASE_URL.removeprefix("sqlite:///")
    name = path if path.startswith((":memory:", "/")) else str(BASE_DIR / path)
    return {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": name,
        "OPTIONS": {
            "transaction_mode": "IMMEDIATE",
            "timeout": timeout_seconds,
            # FULL: a commit survives a power loss, and a 200 to Meta means durable.
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON",
        },
    }


def _postgres(lock_ms: int, statement_ms: int, pool_size: int) -> dict[str, Any]:
    config: dict[str, Any] = dict(environ.Env.db_url_config(DATABASE_URL))
    if not str(config.get("ENGINE", "")).endswith("postgresql"):
        raise ImproperlyConfigured(
            f"DATABASE_URL has scheme {DATABASE_URL.split(':', 1)[0]}: expected postgres://… or sqlite:///…"
        )
    limits = (
        f"-c lock_timeout={lock_ms} -c statement_timeout={statement_ms} -c synchronous_commit=on"
        " -c idle_in_transaction_session_timeout=30000 -c timezone=UTC"
        # The prepared statements of the hot path take arrays of any length; planned anew for each batch,
        # planning costs more than running them. A plan that was made when a table was small must do when it is
        # large: a worker looks rows up by index.
        " -c plan_cache_mode=force_generic_plan"
        f" -c enable_seqscan={'off' if WHATSFLOW_ROLE == 'worker' else 'on'} -c jit=off"
    )
    config["OPTIONS"] = {
        **config.get("OPTIONS", {}),
        "options": limits,
        # Django's None would forbid even the statements that ask to be prepared; those of the hot path do.
        "prepare_threshold": 5,
        "pool": {"min_size": 0, "max_size": pool_size, "timeout": 10, "max_lifetime": 1800},
    }
    return config


if IS_SQLITE:
    DATABASES = {"default": _sqlite(20), "door": _sqlite(2)}
else:
    DATABASES = {"default": _postgres(5000, 60_000, 24), "door": _postgres(1500, 2500, 16)}
DATABASES["door"]["TEST"] = {"MIRROR": "default"}
if IS_SQLITE:
    VAR_DIR.mkdir(parents=True, exist_ok=True)
    DATABASES["default"]["TEST"] = {"NAME": str(VAR_DIR / "test.sqlite3")}

# --- Redis, Celery, Channels ------------------------------------------------------------------------------
# Redis carries hints only and may be lost at any time; without it the sweeper does the work.
REDIS_URL = env.url("REDIS_URL", "", ("redis", "rediss", "unix")) if env.has("REDIS_URL") else ""
_redis_socket = {"socket_timeout": 0.3, "socket_connect_timeout": 0.3}
CELERY_BROKER_URL = REDIS_URL or "memory://"
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_TASK_TIME_LIMIT = 60
CELERY_TASK_DEFAULT_QUEUE = "inbound"
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_TRANSPORT_OPTIONS = {"visibility_timeout": 120, **_redis_socket}
CELERY_TASK_PUBLISH_RETRY = False
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_WORKER_REDIRECT_STDOUTS = False
CHANNEL_LAYERS = {
    "default": {
        "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
        "CONFIG": {"hosts": [REDIS_URL]},
    }
    if REDIS_URL
    else {"BACKEND": "channels.layers.InMemoryChannelLayer"}
}

# --- Web API ----------------------------------------------------------------------------------------------
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "rest_framework.authentication.TokenAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "DEFAULT_THROTTLE_RATES": {"api": "600/min"},
    "NUM_PROXIES": 0,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "WhatsFlow API",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["rest_framework.permissions.IsAuthenticated"],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
}

# --- Login, cookies, headers ------------------------------------------------------------------------------
AUTHENTICATION_BACKENDS = ["axes.backends.AxesStandaloneBackend", "django.contrib.auth.backends.ModelBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
if IS_TESTING:  # a password of a test need not resist anybody
    PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
AXES_FAILURE_LIMIT = 10
AXES_COOLOFF_TIME = 0.25
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_IPWARE_PROXY_COUNT = 0
AXES_VERBOSE = False
# Our own page shows the failed logins in the admin's skin.
AXES_ENABLE_ADMIN = False
LOGIN_URL = reverse_lazy("admin:login")
SESSION_COOKIE_AGE = 12 * 3600
_https = env.flag("WHATSFLOW_HTTPS", default=not (DEBUG or IS_DEMO))
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_SSL_REDIRECT = _https
# A redirect would lose a signed body that came all the way: the webhook is not sent elsewhere.
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$", r"^webhooks/whatsapp/?$"]
SECURE_HSTS_SECONDS = 31_536_000 if _https else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = _https
if env.flag("WHATSFLOW_BEHIND_PROXY", default=False):
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
_csp = {
    "default-src": [SELF],
    "script-src": [SELF, NONCE],
    "style-src": [SELF, NONCE],
    "img-src": [SELF, "data:", "blob:"],
    "media-src": [SELF, "blob:"],
    "font-src": [SELF],
    "connect-src": [SELF],
    "object-src": ["'none'"],
    "base-uri": [SELF],
    "form-action": [SELF],
    "frame-ancestors": ["'none'"],
}
CONTENT_SECURITY_POLICY = {"DIRECTIVES": _csp}
# The admin's skin is built on Alpine, which evaluates attributes; SECURITY.md says so.
ADMIN_CONTENT_SECURITY_POLICY = {
    "script-src": [SELF, NONCE, UNSAFE_EVAL],
    "style-src": [SELF, "'unsafe-inline'"],
}

# --- Language, time, static files -------------------------------------------------------------------------
LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("hi", "हिन्दी")]
LOCALE_PATHS = [BASE_DIR / "locale"]
TIME_ZONE = env.time_zone("TIME_ZONE", "UTC")
USE_TZ = True
STATIC_URL = "/static/"
STATIC_ROOT = VAR_DIR / "static"
MEDIA_ROOT = VAR_DIR / "media"
_manifest = "whitenoise.storage.CompressedManifestStaticFilesStorage"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if DEBUG or IS_DEMO or IS_TESTING
        else _manifest
    },
}
WHITENOISE_USE_FINDERS = DEBUG or IS_DEMO or IS_TESTING
WHITENOISE_AUTOREFRESH = DEBUG

# --- Logs -------------------------------------------------------------------------------------------------
LOG_LEVEL = env.one_of("LOG_LEVEL", "INFO", ("DEBUG", "INFO", "WARNING", "ERROR"))
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "plain": {"()": "whatsflow.logs.console_formatter"},
        "json": {"()": "whatsflow.logs.json_formatter"},
    },
    "filters": {"redact": {"()": "whatsflow.logs.Redact"}},
    "handlers": {
        "console": {
            "class": "logging.StreamHandler",
            "formatter": "plain" if DEBUG or IS_DEMO else "json",
            "filters": ["redact"],
        }
    },
    "root": {"handlers": ["console"], "level": LOG_LEVEL},
    "loggers": {
        "django.server": {"handlers": ["console"], "level": "WARNING", "propagate": False},
        "aiohttp": {"level": "WARNING"},
        "axes": {"level": "WARNING"},
        "celery": {"level": "WARNING"},
        "kombu": {"level": "WARNING"},
        "watchfiles": {"level": "WARNING"},
    },
}

# --- Admin's look -----------------------------------------------------------------------------------------
UNFOLD = {
    "SITE_TITLE": "WhatsFlow",
    "SITE_HEADER": "WhatsFlow",
    "SITE_ICON": lambda _request: static("whatsflow/icon.svg"),
    "SITE_FAVICONS": [
        {"rel": "icon", "type": "image/svg+xml", "href": lambda _request: static("whatsflow/icon.svg")}
    ],
    "SHOW_HISTORY": True,
    "COLORS": {
        "primary": {
            "50": "236 253 245",
            "100": "209 250 229",
            "200": "167 243 208",
            "300": "110 231 183",
            "400": "52 211 153",
            "500": "16 185 129",
            "600": "5 150 105",
            "700": "4 120 87",
            "800": "6 95 70",
            "900": "6 78 59",
            "950": "2 44 34",
        }
    },
    "SIDEBAR": {"show_search": True, "navigation": "whatsflow.navigation.sidebar"},
    "STYLES": [lambda _request: static("whatsflow/admin.css")],
    "SCRIPTS": [lambda _request: static("whatsflow/admin.js")],
    "LOGIN": {"form": "whatsflow.login.LoginForm"},
    "ACCOUNT": {"navigation": "whatsflow.navigation.account"},
    "SITE_URL": None,
}
ADMIN_TITLE = _("WhatsFlow")

if SIMULATOR_ENABLED and urlsplit(SIMULATOR_BASE_URL).hostname not in {"127.0.0.1", "localhost", "::1"}:
    raise ImproperlyConfigured(
        f"SIMULATOR_BASE_URL={SIMULATOR_BASE_URL}: the simulator serves this machine alone"
    )
