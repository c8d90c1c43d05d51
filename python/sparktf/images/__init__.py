"""Folders of images as Spark DataFrames.

The layout is the usual one of image classification: one folder per class, its images inside.

    photos/cat/1.jpg
    photos/cat/2.png
    photos/dog/1.jpg

    images = sparktf.images.read_folder(spark, "photos", size=(64, 64), mode="RGB")
    pixels = sparktf.images.to_features(images)

Spark reads the files (any file system that it knows) and Pillow decodes them in the executors'
Python workers, which therefore need Pillow and NumPy; this package is sent to them. Classic
sessions and Spark Connect work alike.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal

from sparktf.extras import require
from sparktf.images import decoding
from sparktf.spark.column_names import quoted
from sparktf.spark.shipping import ship_package
from sparktf.storage.uris import as_pattern, without_authority

if TYPE_CHECKING:
    import pandas as pd
    from pyspark.sql import DataFrame, SparkSession

__all__ = ["read_folder", "to_features"]

_ON_ERROR = ("fail", "drop", "null")


def read_folder(
    spark: SparkSession,
    path: str,
    size: tuple[int, int] | None = (28, 28),
    mode: Literal["L", "RGB"] = "L",
    *,
    resample: Literal["nearest", "bilinear", "bicubic", "lanczos"] = "bilinear",
    classes: Sequence[str] | None = None,
    pattern: str | None = None,
    on_error: Literal["fail", "drop", "null"] = "fail",
) -> DataFrame:
    """One row per image below ``path``, which holds one folder per class.

    The class folders are listed when this is called (a Spark job over the paths alone, which
    opens no image); the images are decoded when the DataFrame is evaluated. Images lie directly
    in their class folder: files beside the class folders and files in deeper folders are left
    out, and so are empty files and those whose names begin with ``.`` or ``_``, which Spark skips.

    Columns:

    ============ ========= ==================================================================
    path         string    as Spark spells it, unescaped: ``file:/data/black cats/1.jpg``
    label        bigint    index of the class in ``classes``, or in the folder names sorted
                           by code point
    label_name   string    name of the class folder
    image        binary    decoded pixels: uint8, row-major height x width x channels, no header
    height       int       rows of ``image``
    width        int       columns of ``image``
    channels     int       1 (``L``) or 3 (``RGB``)
    error        string    with ``on_error="null"`` only: why an image is null
    ============ ========= ==================================================================

    Decoding turns an image upright as its EXIF orientation says, lays transparent ones over
    white, takes the first frame of animations, and the upper eight bits of 16-bit greys. Large
    JPEGs are decoded at a half, a quarter or an eighth of their size where that is still twice
    the size asked for.

    Spark packs small files into tasks as if each had ``spark.sql.files.openCostInBytes`` (4 MB)
    more than it has: about 30 images a task. For many small images, a lower value runs faster.

    Args:
        path: A folder, as Spark names folders (``/data/x``, ``hdfs://…``, ``s3a://…``). It is no
            pattern: ``[``, ``*`` and their like stand for themselves.
        size: ``(height, width)`` in pixels that every image is resized to, without regard to its
            proportions; None leaves each image at its own size.
        mode: "L" for grey (ITU-R 601-2 luma), "RGB" for colour.
        resample: Pillow's filter of that name, used with its antialiasing.
        classes: The class names in the order of their labels, where the folders do not say it
            all (a test set without some class of the training set).
        pattern: Only files with such names, a glob as in Spark's ``pathGlobFilter``:
            ``"*.{jpg,png}"``.
        on_error: What becomes of a file that is no image or a damaged one: "fail" ends the query
            with an error that names the file, "drop" leaves the row out, "null" keeps it with
            ``image``, ``height``, ``width`` and ``channels`` null and adds ``error``. What no file
            is to blame for, such as executors without Pillow or memory, always ends the query.

    Raises:
        ValueError: An argument that cannot work, no image in any class folder, or a class folder
            that ``classes`` lacks.
        pyspark.errors.AnalysisException: There is no such path.
    """
    require("sparktf.images", "pyspark", "pyarrow")
    _check_arguments(size, mode, resample, on_error)
    size = None if size is None else (size[0], size[1])
    root = _root_segments(path)

    from pyspark.sql.functions import expr

    ship_package(spark)
    reader = spark.read.format("binaryFile").option("recursiveFileLookup", "true")
    if pattern is not None:
        reader = reader.option("pathGlobFilter", pattern)
    files = reader.load(as_pattern(path))
    folder = expr("left(path, length(path) - length(substring_index(path, '/', -1)) - 1)")
    folders = [row[0] for row in files.select(folder).distinct().collect()]
    names = _class_folders(path, root, folders)
    labels = _labels(path, names, classes)

    schema = (
        "path string, label bigint, label_name string, "
        "image binary, height int, width int, channels int"
    )
    if on_error == "null":
        schema += ", error string"
    decode = decoding.decoder(labels, size, mode, resample, on_error)
    # isin keeps the pixels of files that are in no class folder from travelling to Python
    return (
        files.where(folder.isin(list(names))).select("path", "content").mapInArrow(decode, schema)
    )


def to_features(
    df: DataFrame,
    scale: float = 1 / 255,
    *,
    input_col: str = "image",
    output_col: str = "pixels",
) -> DataFrame:
    """``df`` with ``output_col``, the pixels of ``input_col`` as ``array<float>``.

    Args:
        df: Has a binary column of uint8 pixels, as `read_folder` makes it.
        scale: Every value is multiplied by it in 32-bit floats; the default maps 0..255 to 0..1,
            1.0 keeps the numbers.
        input_col: Name of the binary column; a null there gives a null.
        output_col: Name of the new column (a column of that name is replaced). Its values have
            height x width x channels elements in that order: to TensorFlow, the shape is
            ``[height, width, channels]``.

    Raises:
        ValueError: There is no such column.
        TypeError: The column is not binary.
    """
    require("sparktf.images", "pyspark", "pandas", "pyarrow")
    from pyspark.sql.functions import col
    from pyspark.sql.pandas.functions import pandas_udf
    from pyspark.sql.types import ArrayType, BinaryType, FloatType

    fields = {field.name: field.dataType for field in df.schema.fields}
    if input_col not in fields:
        raise ValueError(f"no column {input_col!r} among {', '.join(map(repr, fields))}")
    if not isinstance(fields[input_col], BinaryType):
        kind = fields[input_col].simpleString()
        raise TypeError(f"column {input_col!r} is {kind}; pixels are binary (see read_folder)")

    ship_package(df.sparkSession)
    to_floats = pandas_udf(_scaler(scale), ArrayType(FloatType()))  # type: ignore[call-overload]
    return df.withColumn(output_col, to_floats(col(quoted(input_col))))


def _check_arguments(size: object, mode: str, resample: str, on_error: str) -> None:
    if size is not None:
        whole = isinstance(size, (tuple, list)) and len(size) == 2
        if not whole or not all(type(side) is int and side > 0 for side in size):  # type: ignore[attr-defined]
            raise ValueError(f"size is (height, width) in whole pixels or None, not {size!r}")
    for name, value, allowed in (
        ("mode", mode, decoding.CHANNELS),
        ("resample", resample, decoding.RESAMPLING),
        ("on_error", on_error, _ON_ERROR),
    ):
        if value not in allowed:
            raise ValueError(f"{name} is one of {', '.join(map(repr, allowed))}, not {value!r}")


def _segments(path: str) -> list[str]:
    """The names along a path: ``hdfs://host/a/b`` and ``/a/b`` give ``["a", "b"]``."""
    return [name for name in without_authority(path).split("/") if name]


def _root_segments(path: str) -> list[str]:
    """The names along the root that the user gave, ``.`` and ``..`` resolved."""
    segments = _segments(posixpath.normpath(without_authority(path)))
    named = [name for name in segments if name not in (".", "..")]
    if not named and without_authority(path) == path and not path.startswith("/"):
        raise ValueError(f"{path!r} has no folder name in it: give the folder's own path")
    return named


def _class_folders(path: str, root: Sequence[str], folders: Sequence[str]) -> dict[str, str]:
    """Of all folders with files, those one level below the root: folder to its name.

    Spark qualifies paths (``data`` becomes ``hdfs://host/user/ann/data`` or
    ``file:/home/ann/data``) and only it knows how, so the root is found as a tail in front of
    the class name; deeper folders that happen to match are longer.
    """
    absolute = path.startswith("/") or without_authority(path) != path
    below: dict[str, list[str]] = {}
    for folder in folders:
        parents = _segments(folder)[:-1]
        if parents == root if absolute else parents[len(parents) - len(root) :] == root:
            below[folder] = parents
    if not below:
        raise ValueError(
            f"no images in class folders below {path!r}: it should hold one folder per class "
            "with the images directly inside"
        )
    depth = min(map(len, below.values()))
    return {
        folder: folder.rpartition("/")[2]
        for folder, parents in below.items()
        if len(parents) == depth
    }


def _labels(
    path: str, names: dict[str, str], classes: Sequence[str] | None
) -> dict[str, tuple[int, str]]:
    """Folder to (label, class name)."""
    order = sorted(names.values()) if classes is None else list(classes)
    if len(set(order)) < len(order):
        raise ValueError(f"classes has a name twice: {order}")
    unknown = sorted(set(names.values()) - set(order))
    if unknown:
        raise ValueError(f"{path!r} has class folders that are not among classes: {unknown}")
    index = {name: label for label, name in enumerate(order)}
    return {folder: (index[name], name) for folder, name in names.items()}


def _scaler(scale: float) -> Callable[[pd.Series[Any]], pd.Series[Any]]:
    import numpy as np

    factor = np.float32(scale)

    def scaled(image: bytes | None) -> np.ndarray[Any, np.dtype[np.float32]] | None:
        if image is None:
            return None
        return np.multiply(np.frombuffer(image, np.uint8), factor, dtype=np.float32)

    def scale_pixels(images: pd.Series[Any]) -> pd.Series[Any]:
        return images.map(scaled)

    # Spark tells kinds of pandas UDFs by their annotations, and reads them at run time
    import pandas as pd

    scale_pixels.__annotations__ = {"images": pd.Series, "return": pd.Series}
    return scale_pixels
