"""Files of all workers, opened by pyarrow or by fsspec, without Spark and without TensorFlow."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sparktf.storage.uris import split_scheme


def open_uri(uri: str, what: str) -> tuple[Any, str]:
    """What opens a path, as a file system of pyarrow's, and the path for it.

    Args:
        uri: A path of this machine, or a URI as Spark spells it (`s3a://`).
        what: What is to be kept there, for an error.

    Raises:
        ValueError: Neither pyarrow nor fsspec opens it.
    """
    import pyarrow as pa
    from pyarrow import fs

    local, scheme = split_scheme(uri)
    if scheme is None:  # as Spark spells it: a percent sign in it is no escape
        return fs.LocalFileSystem(), str(Path(local).absolute())
    problems = []
    known = quote(re.sub("^s3[an]:", "s3:", uri), safe="!#$%&'()*+,/:;=?@[]~")
    try:
        files, path = fs.FileSystem.from_uri(known)
        return files, path
    except (OSError, ValueError, pa.ArrowException) as error:
        problems.append(f"pyarrow: {error}")
    try:
        from fsspec.core import url_to_fs

        opened, path = url_to_fs(uri)
        return fs.PyFileSystem(fs.FSSpecHandler(opened)), path
    except (ImportError, OSError, ValueError) as error:
        problems.append(f"fsspec: {error}")
    raise ValueError(
        f"{what} cannot be kept at {uri} ({'; '.join(problems)}). A folder that all workers "
        "see can have them, and what the workers' pyarrow or fsspec opens: s3://, gs://, hdfs:// "
        "where Hadoop's native library is installed, webhdfs:// where fsspec is"
    )
