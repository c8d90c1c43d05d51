"""How the compression of a TFRecord file is told: by its extension and its first bytes."""

from __future__ import annotations

import struct
from typing import Final

#: What users call a compression -> what TensorFlow calls it.
TENSORFLOW_NAMES: Final = {"none": "", "gzip": "GZIP", "zlib": "ZLIB", "deflate": "ZLIB"}

#: Bytes of a file that `from_first_bytes` looks at: a record's length and the length's checksum.
HEADER_LENGTH: Final = 12

# Hadoop's DeflateCodec (".deflate") writes zlib's format, header included.
_EXTENSIONS: Final = {
    ".gz": "gzip",
    ".gzip": "gzip",
    ".deflate": "zlib",
    ".zlib": "zlib",
    ".zz": "zlib",
    ".bz2": "bzip2",
    ".snappy": "snappy",
    ".zst": "zstd",
    ".lz4": "lz4",
    ".lzo": "lzo",
    ".xz": "xz",
}

_MAGIC: Final = (
    (b"\x1f\x8b\x08", "gzip"),
    (b"BZh", "bzip2"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"\x04\x22\x4d\x18", "lz4"),
    (b"\xff\x06\x00\x00sNaPpY", "snappy"),
    (b"\xfd7zXZ\x00", "xz"),
)


def detect(path: str, head: bytes) -> str:
    """The codec of a file that begins with `head`.

    A whole record's header is believed before the extension, which may be left of a file that was
    inflated on its way, and so are gzip's and zlib's first bytes before the other's extension;
    all else only where no extension speaks.
    """
    if is_record_header(head):
        return "none"
    named, found = from_extension(path), from_first_bytes(head)
    inflates = ("gzip", "zlib")
    if named is None or (named in inflates and found in inflates):
        return found
    return named


def from_extension(path: str) -> str | None:
    """The codec that the path's extension names ("gzip", "zstd", ...), or None."""
    name = path.rsplit("/", 1)[-1].lower()
    return _EXTENSIONS.get(name[name.rfind(".") :]) if "." in name else None


def from_first_bytes(head: bytes) -> str:
    """The codec that a file's first `HEADER_LENGTH` bytes tell, "none" where they tell none.

    A record's length may look like any codec's magic number (zlib's is no more than two bytes
    whose value divides by 31), so an intact record header is believed before the magic number.
    """
    if is_record_header(head):
        return "none"
    for magic, codec in _MAGIC:
        if head.startswith(magic):
            return codec
    # RFC 1950: the method is 8, the window at most 32 KiB, no preset dictionary, and the two
    # bytes together divide by 31.
    if len(head) >= 2 and head[0] & 0x0F == 8 and head[0] >> 4 <= 7 and not head[1] & 0x20:
        return "zlib" if (head[0] << 8 | head[1]) % 31 == 0 else "none"
    return "none"


def tensorflow_name(path: str, codec: str) -> str:
    """TensorFlow's name for `codec`.

    Raises:
        ValueError: TensorFlow cannot read `codec`.
    """
    if codec not in TENSORFLOW_NAMES:
        raise ValueError(
            f"{path} is compressed with {codec}, which TensorFlow cannot read: it reads "
            "uncompressed, gzip and zlib (deflate) files. Write the data again with one of "
            'these, for example df.write.format("tfrecord").option("compression", "gzip")'
        )
    return TENSORFLOW_NAMES[codec]


def is_record_header(head: bytes) -> bool:
    """Whether `head` begins with a length (uint64) and its masked CRC-32C, both little-endian.

    The frame is TFRecord's: https://www.tensorflow.org/tutorials/load_data/tfrecord#tfrecords_format_details
    """
    if len(head) < HEADER_LENGTH:
        return False
    (checksum,) = struct.unpack_from("<I", head, 8)
    return bool(checksum == masked_crc32c(head[:8]))


def masked_crc32c(data: bytes) -> int:
    """TFRecord's checksum: CRC-32C rotated right by 15 bits plus 0xa282ead8, modulo 2^32."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = _CRC32C_TABLE[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def _crc32c_table() -> tuple[int, ...]:
    table = []
    for byte in range(256):
        crc = byte
        for _ in range(8):
            crc = crc >> 1 ^ 0x82F63B78 if crc & 1 else crc >> 1
        table.append(crc)
    return tuple(table)


_CRC32C_TABLE: Final = _crc32c_table()
