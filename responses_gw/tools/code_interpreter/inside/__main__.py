"""The start of the sandbox's interpreter: ``python -I -S FOLDER zygote|worker ARGUMENTS``.

The folder is imported as a package of its own name, so that it needs nothing of the gateway on the
import path, whatever interpreter runs it.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

PACKAGE = "code_interpreter_inside"


def main() -> None:
    folder = Path(__file__).resolve().parent
    spec = importlib.util.spec_from_file_location(
        PACKAGE, folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    assert spec is not None, "the folder holds this file"
    sys.modules[PACKAGE] = importlib.util.module_from_spec(spec)
    sys.path[:] = [entry for entry in sys.path if Path(entry).resolve() != folder]
    role = {"zygote": ".zygote", "worker": ".launched"}[sys.argv[1]]
    importlib.import_module(role, PACKAGE).main(sys.argv[2:])


if __name__ == "__main__":
    main()
