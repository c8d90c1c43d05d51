"""What the build of the Python package does beside collecting files."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from hatchling.metadata.plugin.interface import MetadataHookInterface

# A block of code, where brackets are not a link's; or an image or link to a file of the checkout.
_LINK = re.compile(
    r"^```.*?^```|(!?)(\[[^]]*\])\((?![a-z]+:|#)([^)\s]+)\)", re.DOTALL | re.MULTILINE
)


# What native/build.py makes.
LIBRARIES = (
    "linux-x86_64/libsparktf.so",
    "linux-aarch64/libsparktf.so",
    "macos-x86_64/libsparktf.dylib",
    "macos-arm64/libsparktf.dylib",
)


class ReadmeForPyPI(MetadataHookInterface):
    """README.md as PyPI shows it: the files that it links to are not there, but at GitHub."""

    def update(self, metadata: dict[str, Any]) -> None:
        source = metadata["urls"]["Source"]
        raw = source.replace("github.com", "raw.githubusercontent.com")
        tag = f"v{metadata['version']}"
        files = {"": f"{source}/blob/{tag}", "!": f"{raw}/{tag}"}

        def with_address(link: re.Match[str]) -> str:
            image, text, path = link.groups()
            return link[0] if path is None else f"{image}{text}({files[image]}/{path})"

        readme = Path(self.root, "README.md").read_text(encoding="utf-8")
        metadata["readme"] = {
            "content-type": "text/markdown",
            "text": _LINK.sub(with_address, readme),
        }


class NeedsBuilt(BuildHookInterface[Any]):
    """No wheel and no sdist without the data source and the libraries, which pip does not build."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if version == "editable":  # a checkout, in which `make jars` may come later
            return
        folder = Path(self.root, "python", "sparktf", "jars")
        for scala in ("2.12", "2.13"):
            jar = folder / f"sparktf-tfrecord_{scala}-{self.metadata.version}.jar"
            if not jar.is_file():
                self.app.abort(f"{jar} is not built: `make wheel` builds it, and the package")
        native = Path(self.root, "python", "sparktf", "native")
        for name in LIBRARIES:
            if not (native / name).is_file():
                self.app.abort(f"{native / name} is not built: `make wheel` builds it first")
