"""Tally's settings. Every value that can differ between machines comes from the environment;
`.env.example` lists each name with one line of meaning."""

from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured
from django.utils.csp import CSP

from config import env
from config.postgresql.pool import check_open

BASE_DIR = Path(__file__).resolve().parent.parent
VAR_DIR = Path(env.text("VAR_DIR", str(BASE_DIR / "var"))).resolve()

# --- Web ---------------------------------------------------------------------------------------

DEBUG = env.flag("DEBUG", default=False)
LOOPBACK_HOSTS = ["localhost", "127.0.0.1", "[::1]"]
# Former values of SECRET_KEY: what they have signed or encrypted can still be read.
SECRET_KEY_FALLBACKS = env.listing("SECRET_KEY_FALLBACKS")
if DEBUG:
    SECRET_KEY = env.text("SECRET_KEY", "debug-only-" + "x" * 50)
    ALLOWED_HOSTS = env.hosts("ALLOWED_HOSTS", ",".join(LOOPBACK_HOSTS))
else:
    SECRET_KEY = env.required("SECRET_KEY", "it signs sessions, and DEBUG is off")
    if len(SECRET_KEY) < 32:
        raise ImproperlyConfigured("SECRET_KEY must be at least 32 characters long.")
    env.required("ALLOWED_HOSTS", "the host names this site answers to, and DEBUG is off")
    ALLOWED_HOSTS = env.hosts("ALLOWED_HOSTS")

CSRF_TRUSTED_ORIGINS = env.listing("CSRF_TRUSTED_ORIGINS")
for origin in CSRF_TRUSTED_ORIGINS:
    if not origin.startswith(("http://", "https://")):
        raise ImproperlyConfigured(
            f"CSRF_TRUSTED_ORIGINS: {origin!r} must begin with http:// or https://."
        )
PORT = env.integer("PORT", 8000, low=1, high=65535)
WEB_WORKERS = env.integer("WEB_WORKERS", 2, low=1, high=256)
WEB_THREADS = env.integer("WEB_THREADS", 128, low=2, high=4096)

# Scheme and host of this site in letters: a request's own Host is its sender's word.
_host = next((name for name in ALLOWED_HOSTS if name not in LOOPBACK_HOSTS), "").lstrip(".*")
SITE_URL = env.url("SITE_URL", f"https://{_host}" if _host else f"http://localhost:{PORT}")

# A site that answers to a real host name is served over https; one on loopback is not.
HTTPS = env.flag("HTTPS", default=not DEBUG and not set(ALLOWED_HOSTS) <= set(LOOPBACK_HOSTS))
SECURE_SSL_REDIRECT = SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
# Balancers and Prometheus ask over http, and by the address of a machine.
PROBE_PATHS = ["/healthz", "/readyz"]
SECURE_REDIRECT_EXEMPT = [f"^{path[1:]}$" for path in [*PROBE_PATHS, "/metrics"]]
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS else 0
# Both bind other hosts than this one, and a browser's list of preloads is hard to leave.
SECURE_HSTS_INCLUDE_SUBDOMAINS = env.flag("HSTS_SUBDOMAINS", default=False)
SECURE_HSTS_PRELOAD = env.flag("HSTS_PRELOAD", default=False)
if SECURE_HSTS_PRELOAD and not SECURE_HSTS_INCLUDE_SUBDOMAINS:
    raise ImproperlyConfigured("HSTS_PRELOAD needs HSTS_SUBDOMAINS=1: browsers demand both.")
# What `check --deploy` would say of the operator's choice.
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021"]
TRUSTED_PROXY = env.flag("TRUSTED_PROXY", default=False)
if TRUSTED_PROXY:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

# Browsers take a cookie named so from this very host alone, over https (RFC 6265bis, 4.1.3.2).
SESSION_COOKIE_NAME = "__Host-sessionid" if HTTPS else "sessionid"
CSRF_COOKIE_NAME = "__Host-csrftoken" if HTTPS else "csrftoken"
SESSION_ENGINE = "credits.users.sessions"
# A session ends two weeks after its sign-in, and before that once nobody has used it for a while.
SESSION_COOKIE_AGE = 14 * 24 * 3600
SESSION_IDLE = timedelta(days=env.integer("SESSION_IDLE_DAYS", 7, low=1, high=14))
CSRF_FAILURE_VIEW = "credits.users.resending.csrf_failure"
SECURE_CSP: dict[str, list[str | CSP]] = {
    "default-src": [CSP.SELF],
    "img-src": [CSP.SELF],
    "object-src": [CSP.NONE],
    "base-uri": [CSP.NONE],
    "form-action": [CSP.SELF],
    "frame-ancestors": [CSP.NONE],
    "manifest-src": [CSP.SELF],
    "worker-src": [CSP.SELF],
}

APPEND_SLASH = False
ROOT_URLCONF = "config.urls"
FORM_RENDERER = "config.forms.Renderer"
WSGI_APPLICATION = "config.wsgi.application"
DATA_UPLOAD_MAX_MEMORY_SIZE = 1_000_000
#: Bytes of a body, by address (a star for an id), where files are taken: beside them no more than
#: everywhere.
LARGE_BODIES = dict.fromkeys(
    [
        "/ai-chat",
        "/ai-chat/*",
        "/api/ai/chat",
        "/api/ai/quote",
        "/v1/chat/completions",
        "/v1/responses",
        "/v1/messages",
        "/v1/embeddings",
        "/v1/quote",
        "/account/data/import",
    ],
    20_000_000,
)
#: Bytes of all bodies that one process keeps at the same time.
BODIES_TOGETHER = 100_000_000
# Seconds in which a body has to come (a large one in twice as many), and in which a client has to
# take each piece of an answer.
BODY_SECONDS = env.integer("BODY_SECONDS", 30, low=1, high=3600)
SEND_SECONDS = env.integer("SEND_SECONDS", 30, low=1, high=3600)

INSTALLED_APPS = [
    "credits",
    "ai_chat",
    "adminpanel",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "django.contrib.postgres",
    "django_htmx",
    "django_otp",
    "django_otp.plugins.otp_static",
    "django_otp.plugins.otp_totp",
    "drf_spectacular",
    "lucide",
    "procrastinate.contrib.django",
    "rest_framework",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "ai_chat.gateway.middleware.GatewayMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "config.middleware.NoStoreByDefaultMiddleware",
    "config.middleware.PermissionsPolicyMiddleware",
    "django.middleware.csp.ContentSecurityPolicyMiddleware",
    "config.middleware.ErrorMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "config.middleware.HostMiddleware",
    "config.zones.ZoneMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "credits.clerk.auth.requests.ClerkMiddleware",
    "credits.users.middleware.SignInMiddleware",
    "credits.users.middleware.OriginMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.template.context_processors.csp",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "credits.users.context_processors.account",
            ],
            "builtins": [
                "django.contrib.humanize.templatetags.humanize",
                "config.template_filters",
            ],
        },
    }
]

STATIC_URL = "/static/"
STATIC_ROOT = VAR_DIR / "static"
STATICFILES_DIRS = [BASE_DIR / "static"]
MEDIA_ROOT = VAR_DIR / "media"
# Made images: files in var/, or any S3-compatible store. Only our views serve them, to their owner.
MEDIA_S3_BUCKET = env.text("MEDIA_S3_BUCKET")
MEDIA_S3 = {
    "BACKEND": "storages.backends.s3.S3Storage",
    "OPTIONS": {
        "bucket_name": MEDIA_S3_BUCKET,
        "endpoint_url": env.url("MEDIA_S3_ENDPOINT") or None,
        "region_name": env.text("MEDIA_S3_REGION") or None,
        "access_key": env.text("MEDIA_S3_ACCESS_KEY") or None,
        "secret_key": env.text("MEDIA_S3_SECRET_KEY") or None,
        "location": env.text("MEDIA_S3_PREFIX"),
        "default_acl": None,
        "file_overwrite": True,
    },
}
# For nobody else on this machine.
MEDIA_FILES = {
    "BACKEND": "django.core.files.storage.FileSystemStorage",
    "OPTIONS": {"file_permissions_mode": 0o600, "directory_permissions_mode": 0o700},
}
HASHED_STATIC = {"BACKEND": "config.static_files.ModuleStaticFilesStorage"}
PLAIN_STATIC = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
STORAGES = {
    "default": MEDIA_S3 if MEDIA_S3_BUCKET else MEDIA_FILES,
    "staticfiles": PLAIN_STATIC if DEBUG else HASHED_STATIC,
}

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"

# --- Database ----------------------------------------------------------------------------------

DATABASE_POOL_SIZE = env.integer("DATABASE_POOL_SIZE", 16, low=2, high=1000)
EMBEDDED_DATABASE = not env.text("DATABASE_URL")
DATABASE: dict[str, Any] = {"ENGINE": "config.standalone.postgres", "NAME": "tally", "OPTIONS": {}}
if EMBEDDED_DATABASE:
    DATABASE["HOST"] = str(VAR_DIR / "postgres")
else:
    DATABASE = env.database("DATABASE_URL")
# A thread that finds the pool empty waits a second, then as long as `config/postgresql` says.
# A pooled connection that died with the server is replaced before it is handed out.
DATABASE["OPTIONS"]["pool"] = {
    "min_size": 1,
    "max_size": DATABASE_POOL_SIZE,
    "timeout": 1,
    "check": check_open,
}
DATABASES = {"default": {**DATABASE, "CONN_HEALTH_CHECKS": True}}
# Jobs at once: holds are swept while a sync, or a proof of a large ledger, takes its time.
PROCRASTINATE_WORKER_DEFAULTS = {"concurrency": 4}
# Background work beside each app's own `tasks` module.
PROCRASTINATE_IMPORT_PATHS = [
    "credits.clerk.tasks",
    "credits.events.tasks",
    "credits.limits.tasks",
    "credits.users.tasks",
]

# --- Accounts ----------------------------------------------------------------------------------

AUTH_USER_MODEL = "credits.User"
AUTHENTICATION_BACKENDS = ["credits.users.sessions.AccountBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": name}
    for name in (
        "django.contrib.auth.password_validation.UserAttributeSimilarityValidator",
        "django.contrib.auth.password_validation.MinimumLengthValidator",
        "django.contrib.auth.password_validation.NumericPasswordValidator",
        "credits.users.validators.KnownPasswordValidator",
        "credits.users.validators.SiteWordsValidator",
    )
]
PASSWORD_HASHERS = ["config.hashing.PasswordHasher"]
# Hashes that a process makes at the same time, and requests that wait for their turn: fewer than
# the eighth of the threads that streams leave free.
HASHES_AT_WORK, HASHES_WAITING = 2, max(1, WEB_THREADS // 16)
LOGIN_URL = "sign-in"
LOGIN_REDIRECT_URL = "chat"
LOGOUT_REDIRECT_URL = "home"
SIGNUP_CREDITS = env.integer("SIGNUP_CREDITS", 50, low=0, high=1_000_000)
# Hashes the addresses that have had welcome credits. It must stay when SECRET_KEY changes.
IDENTITY_KEY = env.text("IDENTITY_KEY", SECRET_KEY)
ADMIN_EMAILS = [email.lower() for email in env.listing("ADMIN_EMAILS")]
ADMIN_USER_IDS = env.listing("ADMIN_USER_IDS")
# Credits that one admin may move alone in 24 hours (credits/approvals.py).
ADJUSTMENT_APPROVAL_CREDITS = env.integer(
    "ADJUSTMENT_APPROVAL_CREDITS", 100_000, low=0, high=1_000_000_000
)

# How people get a pack of credits: stands beside the packs on sale; empty: ask your administrator.
CREDIT_SHOP_TEXT = env.text("CREDIT_SHOP_TEXT")
# Whether a model is retired that three times in 24 hours used more than was reserved for it.
UNCOLLECTED_RETIRES = env.flag("UNCOLLECTED_RETIRES", default=False)

# Whether admins need a second factor: ours, or Clerk's where they sign in there.
ADMIN_SECOND_FACTOR = env.flag("ADMIN_SECOND_FACTOR", default=False)
# Codes, right and wrong, that are judged in an hour: for one user, and from one address. django-otp
# would lock the factor itself, and its owner out, for as long as somebody goes on guessing.
CODES_PER_HOUR, CODES_PER_HOUR_AND_ADDRESS = 10, 30
OTP_TOTP_THROTTLE_FACTOR = OTP_STATIC_THROTTLE_FACTOR = 0
OTP_TOTP_ISSUER = "Tally"
# Days for which it is kept who signed in, from where, and what they changed of how they do.
AUTHENTICATION_DAYS = env.integer("AUTHENTICATION_DAYS", 90, low=1, high=3650)

# A link in a letter is good for two hours. Letters: to one mailbox, and asked for by one client
# address; what else one client address may do (`credits/users/limits.py`).
PASSWORD_RESET_TIMEOUT = 2 * 3600
RESET_MAILS_PER_HOUR = 5
LETTERS_PER_HOUR = env.integer("LETTERS_PER_HOUR", 30, low=1, high=1_000_000)
SIGNUPS_PER_HOUR = env.integer("SIGNUPS_PER_HOUR", 20, low=1, high=1_000_000)
# Redeem codes that may bring nothing in an hour: of one user, and from one client address.
REDEMPTIONS_PER_HOUR, REDEMPTIONS_PER_HOUR_AND_ADDRESS = 10, 60
PASSWORDS_PER_HOUR = env.integer("PASSWORDS_PER_HOUR", 100, low=5, high=1_000_000)

MAILERS = {"default": env.mailer("EMAIL_URL")}
# With it, an address is proved before it gets an account, or an account gets it.
MAIL_CONFIGURED = bool(env.text("EMAIL_URL"))
DEFAULT_FROM_EMAIL = env.text("DEFAULT_FROM_EMAIL", "Tally <noreply@localhost>")

# --- Provider ----------------------------------------------------------------------------------

LOCAL_PROVIDER = not env.text("OPENAI_BASE_URL") and not env.text("OPENAI_API_KEY")
LOCAL_PROVIDER_PORT = env.integer("LOCAL_PROVIDER_PORT", 8001, low=1, high=65535)
# Whether `make run` looks for Ollama and LM Studio where no provider is configured.
LOCAL_DISCOVERY = env.flag("LOCAL_DISCOVERY", default=True)
OPENAI_BASE_URL = env.url(
    "OPENAI_BASE_URL",
    f"http://127.0.0.1:{LOCAL_PROVIDER_PORT}/v1" if LOCAL_PROVIDER else "https://api.openai.com/v1",
)
OPENAI_API_KEY = env.text("OPENAI_API_KEY", "none")
AI_TEXT_MODELS = env.models("AI_TEXT_MODELS", "smollm2-135m=SmolLM2 135M")
AI_IMAGE_MODELS = env.models("AI_IMAGE_MODELS", "tally-painter=Local painter")

# Bounds of one text turn: characters, and seconds.
MESSAGE_MAX_CHARACTERS = 8_000
HISTORY_MAX_CHARACTERS = env.integer("HISTORY_MAX_CHARACTERS", 6_000, low=500, high=1_000_000)
# Characters of the text of files in a call, where the model's context is known; elsewhere
# HISTORY_MAX_CHARACTERS. Of pictures that were sent before: the latest, and bytes of them together.
ATTACHED_MAX_CHARACTERS = env.integer("ATTACHED_MAX_CHARACTERS", 40_000, low=500, high=10_000_000)
PICTURES_AGAIN = env.integer("PICTURES_AGAIN", 8, low=0, high=100)
PICTURES_AGAIN_BYTES = 10_000_000
# Files of a message.
ATTACHMENTS_PER_MESSAGE = env.integer("ATTACHMENTS_PER_MESSAGE", 10, low=1, high=100)
ANSWER_MAX_TOKENS = env.integer("ANSWER_MAX_TOKENS", 700, low=1, high=100_000)
ANSWER_MAX_CHARACTERS = 64_000
FIRST_TOKEN_SECONDS = env.integer("FIRST_TOKEN_SECONDS", 60, low=1, high=3600)
SILENCE_SECONDS = env.integer("SILENCE_SECONDS", 30, low=1, high=3600)
THINKING_SECONDS = env.integer("THINKING_SECONDS", 300, low=1, high=3600)
HOLD_LEASE_SECONDS = env.integer("HOLD_LEASE_SECONDS", 180, low=2, high=7200)
ANSWER_SECONDS = env.integer("ANSWER_SECONDS", min(150, HOLD_LEASE_SECONDS - 1), low=1, high=3600)
if HOLD_LEASE_SECONDS <= ANSWER_SECONDS:
    raise ImproperlyConfigured(
        "HOLD_LEASE_SECONDS must be more than ANSWER_SECONDS: a hold outlives its answer."
    )

# Bounds of one image request: seconds, characters, and bytes of one image.
IMAGE_SECONDS = env.integer("IMAGE_SECONDS", min(120, HOLD_LEASE_SECONDS - 1), low=1, high=3600)
if HOLD_LEASE_SECONDS <= IMAGE_SECONDS:
    raise ImproperlyConfigured(
        "HOLD_LEASE_SECONDS must be more than IMAGE_SECONDS: a hold outlives its images."
    )
IMAGE_PROMPT_MAX_CHARACTERS = 4_000
IMAGE_MAX_BYTES = 20_000_000
# Bytes of the archive that a user takes along.
ARCHIVE_MAX_BYTES = env.integer("ARCHIVE_MAX_BYTES", 5_000_000_000, low=1_000, high=10**12)

# Files that are sent with messages: bytes of one, pages and characters that are read of it, pixels
# of a picture, and seconds of CPU and bytes of memory that reading one may take.
ATTACHMENT_MAX_BYTES = env.integer("ATTACHMENT_MAX_BYTES", 20 * 2**20, low=1_000, high=24_000_000)
ATTACHMENT_MAX_PAGES = env.integer("ATTACHMENT_MAX_PAGES", 500, low=1, high=100_000)
ATTACHMENT_MAX_CHARACTERS = env.integer(
    "ATTACHMENT_MAX_CHARACTERS", 400_000, low=1_000, high=10_000_000
)
ATTACHMENT_MAX_PIXELS = env.integer(
    "ATTACHMENT_MAX_PIXELS", 50_000_000, low=1_000_000, high=200_000_000
)
ATTACHMENT_SECONDS = env.integer("ATTACHMENT_SECONDS", 10, low=1, high=300)
ATTACHMENT_MEMORY_BYTES = env.integer(
    "ATTACHMENT_MEMORY_BYTES", 1_000_000_000, low=300_000_000, high=16_000_000_000
)
#: Bytes of a body that brings files: the parts around them are small.
LARGE_BODIES |= dict.fromkeys(["/ai-chat/files", "/api/files"], ATTACHMENT_MAX_BYTES + 500_000)

# Limits beside money, per user: paid requests in any 60 seconds, and answers and images that are
# being made at the same time.
REQUESTS_PER_MINUTE = env.integer("REQUESTS_PER_MINUTE", 120, low=1, high=10_000)
TURNS_IN_FLIGHT = env.integer("TURNS_IN_FLIGHT", 60, low=1, high=10_000)
# What readers of shared chats may ask for in any 60 seconds: a user, or a client address.
SHARED_REQUESTS_PER_MINUTE = env.integer("SHARED_REQUESTS_PER_MINUTE", 240, low=1, high=100_000)
# The same for calls by API keys: of one key, and of all keys of an account together. Seconds that a
# call may take: less than the 600 after which clients give up, so that its charge has ended when
# they call again.
API_CALLS_PER_MINUTE = env.integer("API_CALLS_PER_MINUTE", 600, low=1, high=100_000)
API_CALLS_IN_FLIGHT = env.integer("API_CALLS_IN_FLIGHT", 100, low=1, high=10_000)
API_CALL_SECONDS = env.integer("API_CALL_SECONDS", 540, low=1, high=3600)
# Days for which calls by API keys stay in their log.
CALLS_KEPT_DAYS = env.integer("CALLS_KEPT_DAYS", 400, low=1, high=36_500)
# Whether providers may be sent the addresses of pictures: they fetch them, from where they are.
API_REMOTE_IMAGES = env.flag("API_REMOTE_IMAGES", default=False)
# Days for which responses of /v1/responses are kept for programs that go on from them; 0: none is.
API_RESPONSE_DAYS = env.integer("API_RESPONSE_DAYS", 30, low=0, high=30)
# Whether answers of `/v1` are kept for 10 minutes where the client sent an Idempotency-Key, or left
# before the whole answer was there: it gets the same again.
API_KEEP_ANSWERS = env.flag("API_KEEP_ANSWERS", default=True)

# --- Clerk -------------------------------------------------------------------------------------

CLERK_PUBLISHABLE_KEY = env.text("CLERK_PUBLISHABLE_KEY")
CLERK_SECRET_KEY = env.text("CLERK_SECRET_KEY")
CLERK_JWT_KEY = env.text("CLERK_JWT_KEY").replace("\\n", "\n")
CLERK_WEBHOOK_SIGNING_SECRET = env.listing("CLERK_WEBHOOK_SIGNING_SECRET")
CLERK_API_URL = env.url("CLERK_API_URL", "https://api.clerk.com/v1")
if not urlsplit(CLERK_API_URL).path:
    CLERK_API_URL += "/v1"  # Clerk's own tools take it without the version.
CLERK_AUTHORIZED_PARTIES = [url.rstrip("/") for url in env.listing("CLERK_AUTHORIZED_PARTIES")]
CLERK_INSTANCE_ID = env.text("CLERK_INSTANCE_ID")
# Days for which the payloads of processed webhooks are kept: they hold names and addresses.
INBOX_PAYLOAD_DAYS = env.integer("INBOX_PAYLOAD_DAYS", 90, low=1, high=3650)

# --- Webhooks of users' own --------------------------------------------------------------------

# Whether they may also be at http addresses, at any port, and in this machine's own network.
WEBHOOKS_TO_ANY_ADDRESS = env.flag("WEBHOOKS_TO_ANY_ADDRESS", default=DEBUG)

# --- JSON API ----------------------------------------------------------------------------------

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "credits.clerk.auth.requests.ClerkTokenAuthentication",
        "credits.api.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["credits.api.parsing.JSONParser"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "credits.api.parsing.AnyAccept",
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "config.errors.api_exception_handler",
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Tally",
    "VERSION": "1.0.0",
    "DESCRIPTION": "AI chat and images, metered in credits. What the pages do, a program can do.",
    "SCHEMA_PATH_PREFIX": "/api",
    "SERVE_AUTHENTICATION": [],
    # The values stand in the type: a list of them beside it says nothing more.
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "credits.api.schema.document_errors",
    ],
    "ENUM_NAME_OVERRIDES": {
        "KindEnum": "credits.statement.history.Kind",
        "ApiKeyStateEnum": ["active", "expired", "revoked"],
        "ImageStateEnum": "ai_chat.models.ImageRequest.State",
        "TextPartEnum": ["text"],
        "FilePartEnum": ["file"],
    },
    "COMPONENT_SPLIT_REQUEST": True,
    "TAGS": [
        {"name": "credits", "description": "Your balance and history, and the prices."},
        {"name": "account", "description": "Your webhooks, and how you are alerted."},
        {"name": "keys", "description": "Your API keys. What they open is `/v1`."},
        {"name": "ai", "description": "Chat and images: what spends credits."},
        {"name": "admin", "description": "Prices, plans, people. For admins."},
        {"name": "clerk", "description": "What Clerk delivers."},
    ],
}

# --- Operations --------------------------------------------------------------------------------

# Who holds it may read /metrics from anywhere.
METRICS_TOKEN = env.text("METRICS_TOKEN")
if METRICS_TOKEN and len(METRICS_TOKEN) < 16:
    raise ImproperlyConfigured("METRICS_TOKEN must be at least 16 characters long.")
LOG_LEVEL = env.choice("LOG_LEVEL", "INFO", ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"))
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"}},
    "filters": {"tokens": {"()": "config.logs.WithoutTokens"}},
    "handlers": {
        "stderr": {
            "class": "logging.StreamHandler",
            "formatter": "line",
            "filters": ["tokens"],
        }
    },
    "root": {"handlers": ["stderr"], "level": LOG_LEVEL},
    # httpx logs each request's address at INFO: noise here, and the provider's address is nobody's.
    "loggers": {name: {"level": "WARNING"} for name in ("httpx", "httpx2", "procrastinate")},
}
