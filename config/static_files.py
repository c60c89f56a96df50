"""Collected static files: hashed names, compressed."""

from whitenoise.storage import CompressedManifestStaticFilesStorage


class ModuleStaticFilesStorage(CompressedManifestStaticFilesStorage):  # type: ignore[misc]
    """Writes hashed names into the `import` statements of JavaScript modules too."""

    support_js_module_import_aggregation = True
