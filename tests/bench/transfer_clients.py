"""The clients that the transfer benchmark compares, each as one would use it, and what they all connect to."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import obs_sync

AK, SK = "storeak", "storesk"
THREADS = 16
BUCKET = "bench"


class ObsSync:
    """obs_sync in SDK mode, as a user calls it."""

    name = "obs_sync"

    def __init__(self, port: int) -> None:
        self.fs = obs_sync.filesystem(
            "obs",
            endpoint=f"http://127.0.0.1:{port}",
            signature="v2",
            path_style=True,
            access_key_id=AK,
            secret_access_key=SK,
            threads=THREADS,
            state_dir=tempfile.mkdtemp(prefix="bench-state-"),
        )

    @staticmethod
    def missing() -> str:
        return ""

    def up(self, folder: str, prefix: str) -> None:
        obs_sync.copy(folder, f"obs://{BUCKET}/{prefix}", filesystem=self.fs)

    def down(self, prefix: str, folder: str) -> None:
        obs_sync.copy(f"obs://{BUCKET}/{prefix}/", folder, filesystem=self.fs)

    def list(self, prefix: str) -> int:
        return len(self.fs.find(f"{BUCKET}/{prefix}"))


class Boto3:
    """boto3's transfer manager with as many threads."""

    name = "boto3"

    def __init__(self, port: int) -> None:
        import boto3
        from boto3.s3.transfer import TransferConfig
        from botocore.config import Config

        config = Config(s3={"addressing_style": "path"}, max_pool_connections=2 * THREADS, region_name="us-east-1")
        self.client: Any = boto3.client(
            "s3",
            endpoint_url=f"http://127.0.0.1:{port}",
            aws_access_key_id=AK,
            aws_secret_access_key=SK,
            config=config,
        )
        self.small = TransferConfig(use_threads=False)
        self.large = TransferConfig(max_concurrency=4, multipart_chunksize=16 << 20, multipart_threshold=64 << 20)

    @staticmethod
    def missing() -> str:
        return "" if importlib.util.find_spec("boto3") else "pip install boto3"

    def _config(self, size: int) -> Any:
        return self.large if size >= 64 << 20 else self.small

    def up(self, folder: str, prefix: str) -> None:
        def send(path: Path) -> None:
            config = self._config(path.stat().st_size)
            self.client.upload_file(str(path), BUCKET, f"{prefix}/{path.name}", Config=config)

        with ThreadPoolExecutor(THREADS) as pool:
            list(pool.map(send, Path(folder).iterdir()))

    def down(self, prefix: str, folder: str) -> None:
        os.makedirs(folder, exist_ok=True)
        found = [
            (item["Key"], item["Size"])
            for page in self.client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=f"{prefix}/")
            for item in page["Contents"]
        ]

        def fetch(item: tuple[str, int]) -> None:
            key, size = item
            path = os.path.join(folder, key.rsplit("/", 1)[1])
            self.client.download_file(BUCKET, key, path, Config=self._config(size))

        with ThreadPoolExecutor(THREADS) as pool:
            list(pool.map(fetch, found))

    def list(self, prefix: str) -> int:
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=f"{prefix}/")
        return sum(len(page["Contents"]) for page in pages)


class Rclone:
    """The rclone program."""

    name = "rclone"

    def __init__(self, port: int) -> None:
        self.remote = f":s3,provider=Ceph,access_key_id={AK},secret_access_key={SK},endpoint='http://127.0.0.1:{port}':"

    @staticmethod
    def missing() -> str:
        return "" if shutil.which("rclone") else "apt-get install rclone"

    def _run(self, *arguments: str) -> str:
        options = ["--transfers", str(THREADS), "--checkers", "4"]
        options += ["--s3-chunk-size", "16M", "--s3-upload-cutoff", "64M"]
        options += ["--config", "/dev/null", "--multi-thread-streams", "4", "--s3-no-check-bucket"]
        clean = {name: value for name, value in os.environ.items() if name != "AWS_CA_BUNDLE"}
        command = ["rclone", *arguments, *options]
        return subprocess.run(command, check=True, capture_output=True, text=True, env=clean).stdout

    def up(self, folder: str, prefix: str) -> None:
        self._run("copy", folder, f"{self.remote}{BUCKET}/{prefix}")

    def down(self, prefix: str, folder: str) -> None:
        self._run("copy", f"{self.remote}{BUCKET}/{prefix}", folder)

    def list(self, prefix: str) -> int:
        return len(
            self._run("lsf", "--files-only", "--fast-list", "-R", f"{self.remote}{BUCKET}/{prefix}").splitlines()
        )


class Obstore:
    """obstore: a Rust client without a transfer manager; whole bodies in memory, files written plainly."""

    name = "obstore"

    def __init__(self, port: int) -> None:
        from obstore.store import S3Store

        self.store = S3Store(
            BUCKET,
            endpoint=f"http://127.0.0.1:{port}",
            access_key_id=AK,
            secret_access_key=SK,
            region="us-east-1",
            client_options={"allow_http": True},
            virtual_hosted_style_request=False,
        )

    @staticmethod
    def missing() -> str:
        return "" if importlib.util.find_spec("obstore") else "pip install obstore"

    def up(self, folder: str, prefix: str) -> None:
        import obstore

        def send(path: Path) -> None:
            size = path.stat().st_size
            options = {"chunk_size": 16 << 20, "max_concurrency": 4, "use_multipart": size >= 64 << 20}
            obstore.put(self.store, f"{prefix}/{path.name}", path, **options)

        with ThreadPoolExecutor(THREADS) as pool:
            list(pool.map(send, Path(folder).iterdir()))

    def down(self, prefix: str, folder: str) -> None:
        import obstore

        os.makedirs(folder, exist_ok=True)
        found = [item["path"] for page in obstore.list(self.store, f"{prefix}/") for item in page]

        def fetch(key: str) -> None:
            with open(os.path.join(folder, key.rsplit("/", 1)[1]), "wb") as handle:
                for block in obstore.get(self.store, key).stream():
                    handle.write(block)

        with ThreadPoolExecutor(THREADS) as pool:
            list(pool.map(fetch, found))

    def list(self, prefix: str) -> int:
        import obstore

        return sum(len(page) for page in obstore.list(self.store, f"{prefix}/"))


CLIENTS: list[Any] = [ObsSync, Boto3, Rclone, Obstore]
