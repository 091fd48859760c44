"""An open object: reads blocks of one version; written data becomes visible, complete, on close."""

from __future__ import annotations

import logging
import sys
from typing import Protocol

from fsspec.spec import AbstractBufferedFile

from obs_sync.errors import NotAFile, NotFound, already_exists
from obs_sync.stores.base import Store, Upload
from obs_sync.urls import Location

logger = logging.getLogger(__name__)

_READ_BLOCK = 5 << 20


class ObjectFileSystem(Protocol):
    """The part of the filesystem that an open file needs."""

    @property
    def store(self) -> Store:
        """The store of this process."""

    def object_at(self, path: str, operation: str) -> Location:
        """Bucket and key of a path."""

    def exists(self, path: str, **kwargs: object) -> bool:
        """Whether there is an object or folder."""


class ObsFile(AbstractBufferedFile):
    """A file of `ObsFileSystem`; modes rb, wb, xb and ab (which rewrites the object)."""

    closed: bool

    def __init__(
        self,
        fs: ObjectFileSystem,
        path: str,
        mode: str = "rb",
        block_size: int | str | None = None,
        autocommit: bool = True,
        **kwargs: object,
    ) -> None:
        if block_size in (None, "default"):
            block_size = _READ_BLOCK if mode == "rb" else fs.store.part_size
        self._upload: Upload | None = None
        self._pending = sys.exc_info()[1]
        super().__init__(fs, path, mode, block_size, autocommit, **kwargs)
        self.bucket, self.key = fs.object_at(path, "open")
        if mode == "rb" and self.details["type"] != "file":
            raise NotAFile("this is a folder", url=f"obs://{path}", operation="open", next_step="name a file in it")
        if mode == "xb" and fs.exists(path):
            raise already_exists(f"obs://{path}", "create")
        if mode == "ab":
            self._load_existing()

    def _load_existing(self) -> None:
        try:
            self.write(self.fs.store.read(self.bucket, self.key))
        except NotFound:
            return

    def _fetch_range(self, start: int, end: int) -> bytes:
        """A range of the version that was opened; Integrity if the object has been replaced since."""
        return self.fs.store.read(self.bucket, self.key, start, min(end, self.size), self.details["etag"])

    def _initiate_upload(self) -> None:
        """Does nothing: the upload starts with the first full part, so that small objects take one request."""

    def _upload_chunk(self, final: bool = False) -> bool:
        data = self.buffer.getvalue()
        if final and self._upload is None and self.autocommit:
            self._write_whole(data)
            return True
        if self._upload is None:
            self._upload = self.fs.store.open_upload(self.bucket, self.key)
        if data:
            self._upload.write(data)
        if final and self.autocommit:
            self.commit()
        return True

    def _write_whole(self, data: bytes) -> None:
        self.fs.store.write(self.bucket, self.key, data, exclusive=self.mode == "xb")

    def commit(self) -> None:
        """Make the object visible."""
        if self._upload is None:
            self._write_whole(self.buffer.getvalue())
        else:
            self._upload.commit()

    def discard(self) -> None:
        """Discard what was written."""
        if self._upload is not None:
            self._upload.abort()
            self._upload = None

    def close(self) -> None:
        """Publish what was written, unless an exception is being raised: an incomplete object is never published."""
        if not self.closed and self.mode != "rb" and sys.exc_info()[1] is not self._pending:
            logger.warning("obs://%s was not written: an error occurred before it was complete", self.path)
            self.discard()
            self.closed = True
        super().close()

    def __del__(self) -> None:
        if bool(self.__dict__.get("closed", True)):
            return
        if self.mode != "rb":
            logger.warning("obs://%s was not written: the file was never closed", self.path)
            self.discard()
        self.closed = True
