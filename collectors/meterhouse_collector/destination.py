"""Where segments go: a folder, an intake, or a bucket through the `bucket` extra. A name proves its bytes, so a second put is harmless.

An error says what is wrong with the place, never what the segment holds; whatever it is, the segment stays in the spool.
"""

import os
from typing import Any, List, Optional
from urllib.parse import urlsplit

from . import durable
from .errors import CollectorError, ShipError
from .settings import Settings, holds_credentials

BUCKETS = ("s3", "gs", "az")
INTAKES = ("https", "http")
PROBE = "probe"  # outside raw/, so that no loader lists it
CONNECT, WHOLE = "10s", "30s"  # to connect to a bucket, for all of one request
DENIED = "check the credentials and rights; nothing is lost"


class Folder:
    """A folder on a disk, also a mounted one; created when its parent is there."""

    def __init__(self, path: str) -> None:
        self.url = path

    def prepare(self) -> None:
        """Make the folder, but no long path that a typo invented."""
        parent = os.path.dirname(os.path.abspath(self.url))
        if not os.path.isdir(parent):
            raise ShipError(
                f"{self.url}: its parent folder does not exist; create {parent} or correct the destination", False
            )
        try:
            os.makedirs(self.url, exist_ok=True)
        except OSError as error:
            raise self._failed(error) from error

    def put(self, key: str, data: bytes) -> None:
        """One object, complete or not at all; done already when the same bytes are there."""
        path = os.path.join(self.url, *key.split("/"))
        try:
            if not _holds(path, data):
                self.prepare()
                os.makedirs(os.path.dirname(path), exist_ok=True)
                durable.publish(path, data, private=False)
        except OSError as error:
            raise self._failed(error) from error

    def names(self, folder: str) -> List[str]:
        """Names of the objects directly below a folder of keys."""
        try:
            return os.listdir(os.path.join(self.url, *folder.split("/")))
        except FileNotFoundError:
            return []
        except OSError as error:
            raise self._failed(error) from error

    def probe(self) -> None:
        """Raise ShipError unless an object could be put here."""
        try:
            self.prepare()
            durable.publish(os.path.join(self.url, PROBE), b"", private=False)
            durable.remove(os.path.join(self.url, PROBE))
        except OSError as error:
            raise self._failed(error) from error

    def _failed(self, error: OSError) -> ShipError:
        passing = not isinstance(error, (PermissionError, NotADirectoryError, FileExistsError))
        return ShipError(f"{self.url}: cannot be written ({error.strerror}); {DENIED}", passing)


def _holds(path: str, data: bytes) -> bool:
    try:
        with open(path, "rb") as file:
            return file.read(len(data) + 1) == data
    except FileNotFoundError:
        return False


class Bucket:
    """A bucket; obstore finds the credentials where the cloud's own tools do (environment, profile, machine role)."""

    def __init__(self, url: str) -> None:
        if holds_credentials(url):
            raise CollectorError(
                "a bucket's address is without user and query; credentials come from the cloud's own tools"
            )
        self.url = url
        try:
            import obstore
            from obstore import store
        except ImportError:
            raise CollectorError(f"{url}: buckets need the extra; pip install 'meterhouse-collector[bucket]'") from None
        self._obstore = obstore
        # our own backoff decides when to try again, so obstore's stays out of it
        options: Any = {"timeout": WHOLE, "connect_timeout": CONNECT, "allow_http": _endpoint().startswith("http://")}
        try:
            self._store = store.from_url(url, client_options=options, retry_config={"max_retries": 1})
        except Exception as error:
            raise ShipError(
                f"{url}: is no usable bucket ({_first_line(error)}); correct the destination", False
            ) from error

    def probe(self) -> None:
        """Raise ShipError unless an object could be put here; it stays, because we may not be allowed to delete."""
        try:
            self._put(PROBE, b"", "overwrite")
        except Exception as error:
            raise self._failed(error) from error

    def put(self, key: str, data: bytes) -> None:
        """Create the object; where it exists with the same size, or the server ignores conditions, it is done as well."""
        errors = self._obstore.exceptions
        try:
            try:
                self._put(key, data, "create")
            except errors.AlreadyExistsError:
                if self._obstore.head(self._store, key)["size"] != len(data):
                    self._put(key, data, "overwrite")
            except (errors.NotSupportedError, NotImplementedError):
                self._put(key, data, "overwrite")
        except Exception as error:  # obstore's errors share no useful base with the network's
            raise self._failed(error) from error

    def names(self, folder: str) -> List[str]:
        """Names of the objects directly below a folder of keys."""
        try:
            batches = self._obstore.list(self._store, folder)
            return [item["path"].rpartition("/")[2] for batch in batches for item in batch]
        except Exception as error:
            raise self._failed(error) from error

    def _put(self, key: str, data: bytes, mode: Any) -> None:
        self._obstore.put(
            self._store, key, data, mode=mode, use_multipart=False, attributes={"Content-Type": "application/gzip"}
        )

    def _failed(self, error: Exception) -> ShipError:
        errors = self._obstore.exceptions
        if isinstance(error, (errors.PermissionDeniedError, errors.UnauthenticatedError)) or _lacks_credentials(error):
            return ShipError(f"{self.url}: refuses us or finds no credentials; {DENIED}", False)
        if isinstance(error, (errors.NotFoundError, FileNotFoundError)):
            return ShipError(
                f"{self.url}: the bucket does not exist; create it or correct the destination, nothing is lost", False
            )
        return ShipError(f"{self.url}: cannot be reached ({_first_line(error)}); nothing is lost", True)


def open_destination(url: str, settings: Optional[Settings] = None) -> Any:
    """The folder, bucket or intake that a text names; an intake takes its token from the settings."""
    scheme = urlsplit(url).scheme.lower() if "://" in url else ""
    if scheme in INTAKES and settings is not None:
        from .intake_client import Intake  # HTTP and TLS cost time at every start

        return Intake(url, settings)
    if scheme in BUCKETS:
        return Bucket(url)
    if scheme == "file":
        from urllib.request import url2pathname

        return Folder(url2pathname(urlsplit(url).path))
    if scheme:
        kinds = BUCKETS if settings is None else (*BUCKETS, *INTAKES)
        raise CollectorError(
            f"{url}: unknown kind of destination; use a folder or {', '.join(f'{s}://' for s in kinds)}"
        )
    return Folder(os.path.expanduser(url))


def _endpoint() -> str:
    return (
        os.environ.get("AWS_ENDPOINT_URL_S3")
        or os.environ.get("AWS_ENDPOINT_URL")
        or os.environ.get("AWS_ENDPOINT")
        or ""
    )


def _lacks_credentials(error: Exception) -> bool:
    text = str(error).lower()
    return any(word in text for word in ("credential", "169.254.169.254", "metadata token"))


def _first_line(error: Exception) -> str:
    """The gist of a client's error, which may go on for pages of response body."""
    return type(error).__name__ + ": " + " ".join(str(error).split("\n", 1)[0].split())[:120]
