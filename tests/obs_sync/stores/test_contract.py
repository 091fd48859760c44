"""What every storage mode promises beyond fsspec's own suites; each test runs over all modes and moxing's variants."""

from __future__ import annotations

import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import fsspec
import pytest

import obs_sync
from obs_sync import ObsFileSystem, urls
from tests.obs_sync.conftest import BUCKET, drop_bucket, make_bucket


@pytest.fixture
def fs(any_fs: ObsFileSystem) -> ObsFileSystem:
    """The filesystem of each mode, and of each variant of moxing, in turn."""
    return any_fs


def tells_time(fs: ObsFileSystem) -> bool:
    """Whether the store tells times or ETags; without, versions of the same size cannot be told apart."""
    return fs.storage_mode != "moxing" or sys.modules["moxing.file"].quirks.get("fields") != "none"


AWKWARD = [
    "a",
    "a/b",
    "a/b/c",
    "x//y",
    "/lead",
    "dir/",
    "dir/in",
    "ünï/文件 名.txt",
    "p%41+&=?#",
    "q\\r",
    "up/../down",
    "./dot",
    "l" * 1024,
]


def test_written_object_is_read_back(fs: ObsFileSystem, base: str) -> None:
    fs.pipe_file(f"{base}/one", b"0123456789")
    assert fs.cat_file(f"{base}/one") == b"0123456789"
    assert fs.cat_file(f"{base}/one", 2, 5) == b"234"
    assert fs.cat_file(f"{base}/one", start=-3) == b"789"
    assert fs.cat_file(f"{base}/one", end=-8) == b"01"
    assert fs.cat_file(f"{base}/one", 5, 5) == b""
    assert fs.cat_file(f"{base}/one", 8, 500) == b"89"
    assert fs.cat_file(f"{base}/one", 50, 60) == b""


def test_empty_object(fs: ObsFileSystem, base: str, tmp_path: Path) -> None:
    fs.pipe_file(f"{base}/empty", b"")
    assert fs.cat_file(f"{base}/empty") == b""
    assert fs.info(f"{base}/empty")["size"] == 0
    obs_sync.copy(f"{base}/empty", str(tmp_path / "empty"), filesystem=fs)
    assert (tmp_path / "empty").read_bytes() == b""


@pytest.mark.parametrize("call", ["info", "cat_file", "ls", "rm_file", "get", "copy", "open"])
def test_missing_object_is_not_found_everywhere(fs: ObsFileSystem, base: str, tmp_path: Path, call: str) -> None:
    url = f"{base}/missing"
    calls = {
        "info": lambda: fs.info(url),
        "cat_file": lambda: fs.cat_file(url),
        "ls": lambda: fs.ls(url),
        "rm_file": lambda: fs.rm_file(url),
        "get": lambda: fs.get_file(url, str(tmp_path / "x")),
        "copy": lambda: obs_sync.copy(url, str(tmp_path / "x"), filesystem=fs),
        "open": lambda: fs.open(url),
    }
    with pytest.raises(obs_sync.NotFound, match="missing") as caught:
        calls[call]()
    assert isinstance(caught.value, FileNotFoundError)
    assert list(tmp_path.glob("x*")) == []


def test_missing_bucket_is_not_found(fs: ObsFileSystem, tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"x")
    for call in (
        lambda: fs.ls("obs://no-such-bucket"),
        lambda: fs.info("obs://no-such-bucket"),
        lambda: fs.find("obs://no-such-bucket/x"),
        lambda: fs.pipe_file("obs://no-such-bucket/x", b""),
        lambda: obs_sync.copy(str(tmp_path / "f"), "obs://no-such-bucket/f", filesystem=fs),
        lambda: obs_sync.copy("obs://no-such-bucket/f", str(tmp_path / "g"), filesystem=fs),
    ):
        with pytest.raises(obs_sync.NotFound, match="no-such-bucket"):
            call()


def test_prefix_is_not_a_folder(fs: ObsFileSystem, base: str) -> None:
    fs.pipe_file(f"{base}/run10/x", b"")
    assert not fs.exists(f"{base}/run1")
    with pytest.raises(obs_sync.NotFound):
        fs.ls(f"{base}/run1")
    assert fs.find(f"{base}/run1") == []


def test_folder_exists_only_through_its_files(fs: ObsFileSystem, base: str) -> None:
    fs.mkdir(f"{base}/folder")
    assert not fs.exists(f"{base}/folder")
    fs.pipe_file(f"{base}/folder/deep/file", b"x")
    assert fs.isdir(f"{base}/folder")
    assert fs.isdir(f"{base}/folder/deep")
    fs.rm_file(f"{base}/folder/deep/file")
    assert not fs.exists(f"{base}/folder")


@pytest.mark.parametrize("key", AWKWARD)
def test_awkward_keys(fs: ObsFileSystem, key: str) -> None:
    store, bucket = fs.store, "contract-awkward"  # a bucket of its own: keys start at its root
    make_bucket(fs, bucket)
    try:
        if fs.storage_mode == "moxing" and urls.name_problem(key):
            with pytest.raises(obs_sync.InvalidRequest, match="moxing cannot address it"):
                store.write(bucket, key, b"content")
            return
        store.write(bucket, key, b"content")
        assert store.read(bucket, key) == b"content"
        assert store.head(bucket, key).size == 7
        assert [info.key for page in store.pages(bucket) for info in page.objects] == [key]
        store.copy(bucket, key, bucket, "copied")
        assert store.read(bucket, "copied") == b"content"
        store.delete(bucket, [key, "copied"])
        assert [info.key for page in store.pages(bucket) for info in page.objects] == []
    finally:
        drop_bucket(fs, bucket)


def test_object_and_folder_of_one_name(fs: ObsFileSystem, base: str) -> None:
    fs.pipe_file(f"{base}/a", b"object")
    fs.pipe_file(f"{base}/a/b", b"below")
    fs.pipe_file(f"{base}/c/d", b"below")
    fs.pipe_file(f"{base}/c", b"object")
    for name in ("a", "c"):
        assert fs.isfile(f"{base}/{name}")
        assert fs.cat_file(f"{base}/{name}") == b"object"
        assert len(fs.find(f"{base}/{name}")) == 1
    kinds = sorted((entry["name"].rsplit("/")[-1], entry["type"]) for entry in fs.ls(base))
    assert kinds == [("a", "directory"), ("a", "file"), ("c", "directory"), ("c", "file")]
    fs.rm_file(f"{base}/a")
    assert fs.isdir(f"{base}/a")
    assert fs.cat_file(f"{base}/a/b") == b"below"
    fs.rm(base, recursive=True)
    assert fs.find(base) == []


@pytest.mark.parametrize(
    "url",
    [
        "obs://contract/" + "x" * 1025,
        "obs://contract/a\x00b",
        "obs://contract/a\nb",
        "obs://Bad_Bucket/x",
        "obs://..//etc",
        "obs:///x",
        "obs://contract/\udcff",
    ],
)
def test_impossible_urls_are_refused(fs: ObsFileSystem, url: str) -> None:
    with pytest.raises(obs_sync.InvalidRequest):
        fs.pipe_file(url, b"x")
    with pytest.raises(obs_sync.InvalidRequest):
        fs.cat_file(url)


def test_a_bucket_is_never_taken_for_an_object(fs: ObsFileSystem, base: str) -> None:
    fs.pipe_file(f"{base}/keep", b"x")
    for call in (fs.rm_file, fs.cat_file, fs.open, lambda url: fs.pipe_file(url, b"")):
        for url in (f"obs://{BUCKET}", f"obs://{BUCKET}/", BUCKET):
            with pytest.raises(IsADirectoryError):
                call(url)
    assert fs.exists(f"{base}/keep")


def test_bucket_with_objects_is_not_removed(fs: ObsFileSystem) -> None:
    make_bucket(fs, "contract-full")
    fs.pipe_file("obs://contract-full/x", b"x")
    with pytest.raises(obs_sync.ObsSyncError):
        fs.rmdir("obs://contract-full")
    assert fs.exists("obs://contract-full/x")
    drop_bucket(fs, "contract-full")
    assert not fs.exists("obs://contract-full")


def test_listing_of_more_than_a_page(mode_fs: ObsFileSystem, base: str) -> None:
    count = 40 if mode_fs.storage_mode == "moxing" else 1003  # moxing's listings have no pages
    names = [f"{base[6:]}/many/{number:04d}" for number in range(count)]
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda name: mode_fs.pipe_file(name, b""), names))
    assert mode_fs.find(f"{base}/many") == names
    assert mode_fs.ls(f"{base}/many", detail=False) == names
    mode_fs.rm(f"{base}/many", recursive=True)
    assert mode_fs.find(f"{base}/many") == []


def test_caches_never_show_the_past(fs: ObsFileSystem, base: str) -> None:
    other = ObsFileSystem(**fs.storage_options) if fs._credentials is None else fs
    assert fs.find(base) == []
    other.pipe_file(f"{base}/x", b"1")
    assert len(fs.ls(base)) == 1
    assert fs.info(f"{base}/x")["size"] == 1
    other.pipe_file(f"{base}/x", b"22")
    assert fs.info(f"{base}/x")["size"] == 2
    assert fs.ls(base)[0]["size"] == 2
    other.rm_file(f"{base}/x")
    assert not fs.exists(f"{base}/x")
    assert not fs.exists(base)


def test_etag_changes_with_the_content(fs: ObsFileSystem, base: str) -> None:
    fs.pipe_file(f"{base}/x", b"one")
    before = fs.checksum(f"{base}/x")
    listed = fs.ls(base)[0]["etag"]
    if fs.storage_mode != "moxing":  # there a listing's time need not be the one that `stat` gives
        assert listed == before
    fs.pipe_file(f"{base}/x", b"two")
    assert fs.info(f"{base}/x")["etag"] != before or not tells_time(fs)
    assert fs.ls(base)[0]["etag"] != listed or not listed  # without a time there is none, and it equals nothing


def test_create_only_once(fs: ObsFileSystem, base: str) -> None:
    fs.pipe_file(f"{base}/x", b"one", mode="create")
    with pytest.raises(FileExistsError):
        fs.pipe_file(f"{base}/x", b"two", mode="create")
    with pytest.raises(FileExistsError):
        fs.open(f"{base}/x", "xb")
    assert fs.cat_file(f"{base}/x") == b"one"


def test_one_of_many_creators_succeeds(mode_fs: ObsFileSystem, base: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("obs_sync.stores.moxing.store.EXCLUSIVE_SETTLE_S", 0.3)
    start = threading.Barrier(8)

    def create(number: int) -> bool:
        start.wait()
        try:
            obs_sync.create_exclusive(f"{base}/owner", f"run {number}".encode(), filesystem=mode_fs)
        except obs_sync.AlreadyExists:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        created = list(pool.map(create, range(8)))
    assert sum(created) == 1
    assert mode_fs.cat_file(f"{base}/owner") == f"run {created.index(True)}".encode()


def test_file_is_invisible_until_closed_and_never_half(mode_fs: ObsFileSystem, base: str) -> None:
    with mode_fs.open(f"{base}/x", "wb", block_size=5 << 20) as file:
        file.write(b"a" * (11 << 20))
        assert not mode_fs.exists(f"{base}/x")
    assert mode_fs.info(f"{base}/x")["size"] == 11 << 20
    mode_fs.rm_file(f"{base}/x")
    with pytest.raises(RuntimeError), mode_fs.open(f"{base}/x", "wb", block_size=5 << 20) as file:  # noqa: PT012
        file.write(b"a" * (6 << 20))
        raise RuntimeError
    assert not mode_fs.exists(f"{base}/x")
    abandoned = mode_fs.open(f"{base}/x", "wb")
    abandoned.write(b"half")
    del abandoned
    assert not mode_fs.exists(f"{base}/x")


def test_append(fs: ObsFileSystem, base: str) -> None:
    for line in ("one\n", "two\n"):
        with fs.open(f"{base}/log", "ab") as file:
            file.write(line.encode())
    assert fs.cat_file(f"{base}/log") == b"one\ntwo\n"


def test_a_reader_never_mixes_two_versions(fs: ObsFileSystem, base: str) -> None:
    fs.pipe_file(f"{base}/x", b"1" * 100)
    with fs.open(f"{base}/x", "rb", block_size=10, cache_type="none") as file:
        assert file.read(10) == b"1" * 10
        fs.pipe_file(f"{base}/x", b"2" * 100)
        if not tells_time(fs):
            return
        with pytest.raises(obs_sync.Integrity):
            file.read(10)


def test_32_threads(mode_fs: ObsFileSystem, base: str) -> None:
    def work(number: int) -> None:
        for turn in range(4):
            data = bytes([number, turn]) * (number * 37 + 1)
            mode_fs.pipe_file(f"{base}/{number}", data)
            assert mode_fs.cat_file(f"{base}/{number}") == data

    with ThreadPoolExecutor(32) as pool:
        list(pool.map(work, range(32)))
    assert len(mode_fs.find(base)) == 32


def test_concurrent_writers_leave_one_whole_version(mode_fs: ObsFileSystem, base: str) -> None:
    versions = [bytes([number]) * 50_000 for number in range(8)]
    stop = threading.Event()
    seen: list[bytes] = []
    mode_fs.pipe_file(f"{base}/x", versions[0])

    def watch() -> None:
        while not stop.is_set():
            seen.append(mode_fs.cat_file(f"{base}/x"))

    watcher = threading.Thread(target=watch)
    watcher.start()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda data: mode_fs.pipe_file(f"{base}/x", data), versions * 4))
    stop.set()
    watcher.join()
    assert seen
    assert set(seen) <= set(versions)


def test_fsspec_open_uses_the_configured_store(fs: ObsFileSystem, base: str) -> None:
    obs_sync.configure(fs._credentials, **fs.settings.__dict__)
    with fsspec.open(f"{base}/note.txt", "w") as file:
        file.write("héllo")
    with fsspec.open(f"{base}/note.txt", "r") as file:
        assert file.read() == "héllo"
    assert obs_sync.exists(f"{base}/note.txt")
    assert obs_sync.list_files(base) == {"note.txt": 6}
