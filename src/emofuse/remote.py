"""Files at an address, such as `s3://bucket/clip.mp4`: the one place that opens them, through fsspec.

A recording is read by parts, as it is played, and never copied as a whole. Which addresses there are is a short list:
fsspec knows others that run code, or lead to files of this machine.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, BinaryIO, Final, TypeVar
from urllib.parse import unquote, urlsplit
from weakref import WeakValueDictionary

from emofuse.errors import EmofuseError, MediaError, OutputError, UsageError
from emofuse.reading import one_line

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

T = TypeVar("T")

_ANSWER_S: Final = 10.0  # for a connection to be made
_SILENCE_S: Final = 30.0  # without a byte of an answer
_PACKAGES: Final[Mapping[str, str]] = {  # beside fsspec, by the kind of the address; "" for none
    "s3": "s3fs",
    "gs": "gcsfs",
    "az": "adlfs",
    "http": "aiohttp",
    "https": "aiohttp",
    "memory": "",
}
SCHEMES: Final = tuple(_PACKAGES)
WRITABLE_SCHEMES: Final = ("s3", "gs", "az", "memory")
_WEB: Final = ("http://", "https://")
_BLOCK_BYTES: Final = 2**21
_MOST_BLOCKS: Final = 24  # of one file, 48 MB: its streams are read from near places
_WAITS_S: Final = (0.5, 2.0)  # before a part is asked for again


@dataclass(frozen=True, slots=True, order=True)
class Address:
    """The address of a file or folder, in the place of a Path. As text it has no password and no query.

    Attributes:
        url: All of it, with what it takes to open it.

    Example:
        >>> clip = Address("https://me:secret@example.org/talks/clip.mp4?signature=1")
        >>> clip.name, clip.stem, clip.suffix, str(clip)
        ('clip.mp4', 'clip', '.mp4', 'https://example.org/talks/clip.mp4')
    """

    url: str

    @property
    def name(self) -> str:
        """The last part of its path."""
        if self.url.lower().startswith(_WEB):
            return unquote(PurePosixPath(urlsplit(self.url).path).name) or urlsplit(self.url).netloc
        return self.url.rstrip("/").rpartition("/")[2]

    @property
    def stem(self) -> str:
        """Its name without the suffix."""
        return PurePosixPath(self.name).stem

    @property
    def suffix(self) -> str:
        """Of its name, with the dot."""
        return PurePosixPath(self.name).suffix

    @property
    def is_writable(self) -> bool:
        """Whether emofuse writes to addresses of its kind."""
        return self.url.partition("://")[0].lower() in WRITABLE_SCHEMES

    def __truediv__(self, below: str) -> Address:
        return Address(f"{self.url.rstrip('/')}/{below}")

    def __fspath__(self) -> str:
        return self.url

    def __str__(self) -> str:
        return without_secrets(self.url)


Place = Path | Address


def place_of(text: str | os.PathLike[str]) -> Place:
    """Return the path or the address that a text names.

    Raises:
        UsageError: It is an address of a kind that is not read.

    Example:
        >>> place_of("s3://bucket/clip.mp4")
        Address(url='s3://bucket/clip.mp4')
        >>> place_of("clips/clip.mp4").name
        'clip.mp4'
    """
    given = os.fspath(text)
    if not is_url(given):
        return Path(given)
    scheme = given.partition("://")[0].lower()
    if scheme not in SCHEMES or "::" in given:
        raise UsageError(f"cannot read {without_secrets(given)}", f"a path, or an address: {', '.join(SCHEMES)}://")
    return Address(given)


def is_url(text: str | os.PathLike[str]) -> bool:
    """Whether a text is the address of something, and no path; a Path never is.

    Example:
        >>> is_url("s3://bucket/clip.mp4"), is_url("C:/clip.mp4"), is_url("a://"), is_url(Path("s3://bucket"))
        (True, False, False, False)
    """
    scheme, found, rest = os.fspath(text).partition("://")
    return bool(found and rest) and len(scheme) > 1 and scheme.isalnum() and scheme.isascii()


def without_secrets(text: str) -> str:
    """Return an address without the name, password and query that may be in it; any other text as it is."""
    if text.startswith("--") and "=" in text:
        option, _, value = text.partition("=")
        return f"{option}={without_secrets(value)}"
    if "://" not in text or text.partition("://")[0].lower() in WRITABLE_SCHEMES:  # a name there may have a "?" in it
        return text
    try:
        parts = urlsplit(text)
    except ValueError:
        return "(an address)"
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()


def open_input(path: str | os.PathLike[str]) -> BinaryIO:
    """Open a file to read bytes at any place of it, on this machine or at an address.

    Args:
        path: A path, or an address as text or as an `Address`.

    Returns:
        What is read from. At an address, only the parts that are asked for are fetched, each once for all that have it
        open at the same time.

    Raises:
        OSError: It is on this machine and cannot be opened.
        MediaError: It is at an address that does not answer, or there is nothing there.
        UsageError: The package for such addresses is not installed.

    Example:
        >>> from emofuse.cli.demo import CLIP
        >>> with open_input(CLIP) as file:
        ...     file.read(8)[4:]
        b'ftyp'
    """
    name = os.fspath(path)
    return _RemoteFile(_parts_of(name)) if is_url(name) else Path(name).open("rb")  # type: ignore[return-value]


def input_size(path: str | os.PathLike[str]) -> int:
    """Return how many bytes a file has, on this machine or at an address. Raises as `open_input` does."""
    name = os.fspath(path)
    return _parts_of(name).size if is_url(name) else Path(name).stat().st_size


def raise_failure(path: str | os.PathLike[str]) -> None:
    """Raise the MediaError that ended the reading from an address that is open.

    Decoders take what cannot be read for the end of a file, or for damage.
    """
    parts = _open_parts.get(os.fspath(path)) if is_url(path) else None
    if parts is not None and parts.failure is not None:
        raise parts.failure


def version_of(address: Address) -> str:
    """Return what changes when the file at an address does, as its store tells: 64 hexadecimal digits.

    Raises MediaError where it does not answer.
    """
    info = _info(address.url)
    told = {key: str(value) for key, value in info.items() if key in _VERSION_KEYS}
    return hashlib.sha256(repr(sorted(told.items())).encode()).hexdigest()


# Of a store's answer: its own hash of the content where it has one, else size and time
_VERSION_KEYS: Final = ("size", "ETag", "etag", "md5Hash", "content_md5", "crc32c", "generation", "created", "mtime")


def is_remote_folder(address: Address) -> bool:
    """Whether an address is that of a folder; of the web it never is. Raises MediaError where it does not answer."""
    if address.url.lower().startswith(_WEB):
        return False
    return _asked(address.url, lambda files, path: bool(files.isdir(path)))


def remote_files(folder: Address) -> list[tuple[Address, str]]:
    """Return the files below a folder that are not hidden, each with its path below it, in the order of these.

    Raises MediaError where it does not answer.
    """

    def find(files: Any, path: str) -> list[str]:
        root = files._strip_protocol(path).rstrip("/")
        return [name[len(root) :].strip("/") for name in files.find(path)]

    below = sorted(_asked(folder.url, find), key=lambda name: PurePosixPath(name).parts)
    return [(folder / name, name) for name in below if not any(p.startswith(".") for p in PurePosixPath(name).parts)]


def upload(file: Path, address: Address) -> None:
    """Copy a file of this machine to an address, where it appears whole or not at all.

    Raises OutputError where it cannot be written.
    """
    try:
        _asked(address.url, lambda files, path: files.put_file(str(file), path))
    except MediaError as error:
        raise OutputError(error.message.replace("cannot read", "cannot write", 1), "choose another place") from error


def download(address: Address, most_mb: float = 256) -> bytes:
    """Return a file of at most so many megabytes.

    Raises MediaError where it does not answer, there is none, or it is larger.
    """
    with open_input(address) as file:
        if input_size(address) > most_mb * 2**20:
            raise MediaError(f"{address} is larger than {most_mb:g} MB")
        return file.read()


class _Parts:
    """A file at an address, of which the last parts that were read are kept. failure: what ended the reading."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.failure: MediaError | None = None
        size = _info(url).get("size")
        if not isinstance(size, int):
            raise MediaError(
                f"cannot read {without_secrets(url)}: the server does not report its size", "download it first"
            )
        self.size = size
        self._kept: OrderedDict[int, bytes] = OrderedDict()
        self._lock = threading.Lock()

    def block(self, number: int) -> bytes:
        with self._lock:
            if number in self._kept:
                self._kept.move_to_end(number)
                return self._kept[number]
            data = self._fetched(number * _BLOCK_BYTES, min((number + 1) * _BLOCK_BYTES, self.size))
            self._kept[number] = data
            while len(self._kept) > _MOST_BLOCKS:
                self._kept.popitem(last=False)
            return data

    def _fetched(self, start: int, end: int) -> bytes:
        if self.failure is not None:
            raise self.failure
        for wait_s in (*_WAITS_S, None):
            try:
                data = bytes(_asked(self._url, lambda files, path: files.cat_file(path, start, end)))
            except MediaError as error:
                if wait_s is None:
                    self.failure = error
                    raise
                time.sleep(wait_s)
                continue
            if len(data) == end - start:
                return data
            self.failure = MediaError(
                f"cannot read {without_secrets(self._url)}: {len(data)} bytes came where {end - start} were asked for",
                "its server does not serve parts of files (HTTP Range), or it has changed; download it first",
            )
            raise self.failure
        raise AssertionError("the last try returns or raises")


class _RemoteFile(io.RawIOBase):
    """A place in a file at an address, to be read on from."""

    def __init__(self, parts: _Parts) -> None:
        self._parts, self._at = parts, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._parts.size}[whence]
        self._at = max(0, base + offset)
        return self._at

    def readinto(self, buffer: WriteableBuffer) -> int:
        view = memoryview(buffer).cast("B")
        n_read = 0
        while n_read < len(view) and self._at < self._parts.size:
            number, inside = divmod(self._at, _BLOCK_BYTES)
            piece = self._parts.block(number)[inside : inside + len(view) - n_read]
            view[n_read : n_read + len(piece)] = piece
            n_read += len(piece)
            self._at += len(piece)
        return n_read


_open_parts: Final[WeakValueDictionary[str, _Parts]] = WeakValueDictionary()
_opening: Final = threading.Lock()


def _parts_of(url: str) -> _Parts:
    """Return the file that is open at this address already, or open it."""
    with _opening:
        parts = _open_parts.get(url)
        if parts is None or parts.failure is not None:
            parts = _open_parts[url] = _Parts(url)
        return parts


def _info(url: str) -> Mapping[str, Any]:
    answer: Mapping[str, Any] = _asked(url, lambda files, path: files.info(path))
    return answer


def _asked(url: str, ask: Callable[[Any, str], T]) -> T:
    """Ask a store about an address; whatever its library raises is a MediaError of one line."""
    files = _files_of(urlsplit(url).scheme.lower())
    try:
        return ask(files, url)
    except EmofuseError:
        raise
    except Exception as error:
        shown, causes = without_secrets(url), list(_causes(error))
        # first, for fsspec says of a server that cannot be reached, too, that there is no such file
        if any(_NO_ANSWER.search(type(cause).__name__) for cause in causes):
            host = urlsplit(shown).netloc
            raise MediaError(f"cannot read {shown}: {host} does not answer", "check the address") from error
        if any(isinstance(cause, FileNotFoundError) for cause in causes):
            raise MediaError(f"no such file: {shown}", "check the address") from error
        reason = one_line(one_line(error).replace(url, shown))
        raise MediaError(f"cannot read {shown}: {reason}", "check the address and your permissions") from error


# Classes of Python, aiohttp and botocore, which have no common base
_NO_ANSWER: Final = re.compile("Connect|Timeout|Disconnect|gaierror")


def _causes(error: BaseException) -> Iterator[BaseException]:
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__ or cause.__context__


@cache
def _files_of(scheme: str) -> Any:
    """Return fsspec's file system for a kind of address."""
    package = _PACKAGES.get(scheme)
    if package is None:
        raise UsageError(f"cannot read {scheme}://", f"allowed: {', '.join(SCHEMES)}")
    try:
        import fsspec

        if scheme in ("http", "https"):
            import aiohttp

            timeout = aiohttp.ClientTimeout(total=None, sock_connect=_ANSWER_S, sock_read=_SILENCE_S)
            return fsspec.filesystem(scheme, client_kwargs={"timeout": timeout})
        if scheme == "s3":
            return fsspec.filesystem(scheme, config_kwargs={"connect_timeout": _ANSWER_S, "read_timeout": _SILENCE_S})
        return fsspec.filesystem(scheme)
    except ImportError:
        needed = " ".join(["'emofuse[remote]'", *([package] if package not in ("", "aiohttp") else [])])
        raise UsageError(f"{scheme}:// needs a package that is not installed", f"pip install {needed}") from None
