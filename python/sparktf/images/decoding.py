"""What the executors run for `sparktf.images`: file contents to pixels, by Pillow."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from sparktf.extras import this_python
from sparktf.spark.interpreters import lacking

if TYPE_CHECKING:
    import pyarrow as pa
    from PIL import Image

CHANNELS = {"L": 1, "RGB": 3}
RESAMPLING = {"nearest": 0, "lanczos": 1, "bilinear": 2, "bicubic": 3}  # Pillow's own numbers

# One Arrow batch of decoded pixels. Small files are packed many to a task, and what they decode
# to can be hundreds of times their size, so output batches are cut by bytes and not by rows.
_OUTPUT_BATCH_BYTES = 16 << 20

# Where Pillow keeps what may hold an orientation; images without these skip the look-up.
_ORIENTATION_KEYS = frozenset({"exif", "Raw profile type exif", "xmp", "XML:com.adobe.xmp"})


def decoder(
    labels: dict[str, tuple[int, str]],
    size: tuple[int, int] | None,
    mode: str,
    resample: str,
    on_error: str,
) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """What the executors run: batches of (path, content) to batches of decoded rows."""

    complaint = lacking("decode images")

    def decode(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        check_executor(complaint)
        rows: list[tuple[Any, ...]] = []
        held = 0
        for batch in batches:
            for path, content in zip(batch["path"], batch["content"], strict=True):
                name = path.as_py()
                label = labels[name.rpartition("/")[0]]
                try:
                    image = decode_image(content.as_py(), size, mode, resample)
                    shape = (image.height, image.width, CHANNELS[mode])
                    decoded: tuple[Any, ...] = (image.tobytes(), *shape, None)
                except Exception as error:  # Pillow's decoders raise far more than OSError
                    if not _is_the_images(error):
                        raise RuntimeError(
                            f"{name} was not decoded, and the file is not to blame: "
                            f"{type(error).__name__}: {error}"
                        ) from error
                    if on_error == "fail":
                        raise ValueError(f"cannot decode {name}: {error}") from error
                    if on_error == "drop":
                        continue
                    decoded = (None, None, None, None, f"{type(error).__name__}: {error}")
                rows.append((name, *label, *decoded))
                held += len(decoded[0] or b"")
                if held >= _OUTPUT_BATCH_BYTES:
                    yield _record_batch(rows, on_error == "null")
                    rows, held = [], 0
        if rows:
            yield _record_batch(rows, on_error == "null")

    return decode


def check_executor(complaint: str) -> None:
    """Raises a RuntimeError if this Python cannot decode any image.

    Args:
        complaint: About one that cannot import what it takes, see `interpreters.lacking`.
    """
    try:
        import numpy as np  # noqa: F401
        from PIL import Image, ImageOps, __version__
    except ImportError as error:
        raise RuntimeError(complaint.format(this_python(), error)) from None
    if not hasattr(Image.Image, "has_transparency_data") or not hasattr(ImageOps, "exif_transpose"):
        raise RuntimeError(
            f"the executors' Python, {this_python()}, has Pillow {__version__}, and images are "
            "decoded by 10.1 or later: install sparktf[images] there"
        )


def _is_the_images(error: Exception) -> bool:
    """Whether another image could fare better on this machine, as it is now."""
    if isinstance(error, (MemoryError, ImportError)):
        return False
    # Pillow's words for memory that it did not get, and for a decoder that it has not got.
    text = str(error)
    signs = ("out of memory", "not available", "Unable to locate Ghostscript")
    return not isinstance(error, OSError) or not (
        error.errno is not None or any(sign in text for sign in signs)
    )


def _record_batch(rows: list[tuple[Any, ...]], with_error: bool) -> pa.RecordBatch:
    import pyarrow as pa

    names = ["path", "label", "label_name", "image", "height", "width", "channels", "error"]
    small = pa.int32()
    types = [pa.string(), pa.int64(), pa.string(), pa.binary(), small, small, small, pa.string()]
    count = len(names) if with_error else len(names) - 1
    columns = list(zip(*rows, strict=True))[:count]
    arrays = [pa.array(values, kind) for values, kind in zip(columns, types, strict=False)]
    return pa.RecordBatch.from_arrays(arrays, names=names[:count])


def decode_image(
    content: bytes, size: tuple[int, int] | None, mode: str, resample: str
) -> Image.Image:
    """The image in ``content``, upright, opaque, in ``mode`` and resized to (height, width)."""
    from PIL import Image, ImageOps, UnidentifiedImageError

    try:
        image: Image.Image = Image.open(io.BytesIO(content))
    except UnidentifiedImageError:  # whose own text names an object in memory
        raise UnidentifiedImageError(
            f"none of the formats that Pillow knows, in {len(content):,} bytes"
        ) from None
    if size is not None:
        # JPEG can be decoded small. Twice the size asked for leaves the filter enough to work
        # on, and the longer side holds for both because the image may yet be turned.
        side = 2 * max(size)
        image.draft(mode, (side, side))
    image.load()  # some formats keep their metadata behind the pixels
    if not _ORIENTATION_KEYS.isdisjoint(image.info):
        ImageOps.exif_transpose(image, in_place=True)

    image = _to_eight_bits(image)
    transparent = image.has_transparency_data
    image = image.convert("RGBA" if transparent else mode)
    if size is not None and (image.height, image.width) != size:
        height, width = size
        image = image.resize((width, height), Image.Resampling(RESAMPLING[resample]))
    if transparent:
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image).convert(mode)
    return image


def _to_eight_bits(image: Image.Image) -> Image.Image:
    """16-bit greys by their upper bits: Pillow's own conversion clips them to white."""
    if image.mode.startswith("I;16") or (image.mode == "I" and image.format == "PNG"):
        import numpy as np
        from PIL import Image

        values = np.asarray(image).astype(np.uint16)
        return Image.fromarray((values >> 8).astype(np.uint8))
    if image.mode in ("I", "F"):
        raise ValueError(f"pixels of mode {image.mode} have no known range to map to 0..255")
    return image
