"""The commands of the command line: each takes the filesystem and its options and returns a summary."""

from __future__ import annotations

import argparse
import sys
from typing import Callable, TypedDict, cast

import obs_sync
from obs_sync.doctor import ChecksFailed, DoctorReport, Finding, examine
from obs_sync.errors import InvalidRequest, NotFound
from obs_sync.filesystem import Entry
from obs_sync.formatting import human_size, one_line, plural
from obs_sync.transfer.mirror import mirror
from obs_sync.transfer.mirror import move as move_files
from obs_sync.transfer.result import Incomplete

_BLOCK = 1 << 20
_URL = "obs://bucket/key; a folder ends with /"

Summary = dict[str, object]
Command = Callable[[obs_sync.ObsFileSystem, argparse.Namespace], Summary]


class _Shown(TypedDict):
    """A file or folder as the commands print it; a folder's URL ends with a slash."""

    url: str
    size: int  # bytes
    modified: str | None  # ISO 8601


def ls(fs: obs_sync.ObsFileSystem, options: argparse.Namespace) -> Summary:
    """List the files and folders directly below a URL, or with -r everything below it."""
    if options.recursive:
        entries = list(cast("dict[str, Entry]", fs.find(options.url, detail=True)).values())
    else:
        entries = cast("list[Entry]", fs.ls(options.url))
    entries.sort(key=lambda entry: entry["name"])
    if options.recursive and not entries:
        raise NotFound("no such folder or object", url=options.url, operation="ls", next_step="check the URL")
    shown = [_shown(entry) for entry in entries]
    if not options.json:
        for entry in shown:
            size = "folder" if entry["url"].endswith("/") else human_size(entry["size"])
            print(f"{size:>12}  {entry['modified'] or '-':<25}  {one_line(entry['url'])}")
    return {"entries": len(shown), "bytes": sum(e["size"] for e in shown), **({"list": shown} if options.json else {})}


def _shown(entry: Entry) -> _Shown:
    folder = "/" if entry["type"] == "directory" else ""
    moment = entry.get("LastModified")
    url = f"obs://{entry['name']}{folder}"
    return {"url": url, "size": entry["size"], "modified": moment.isoformat(timespec="seconds") if moment else None}


def cp(fs: obs_sync.ObsFileSystem, options: argparse.Namespace) -> Summary:
    """Copy files and folders in any direction."""
    result = obs_sync.copy(
        options.source,
        options.target,
        filesystem=fs,
        include=options.include,
        exclude=options.exclude,
        dry_run=options.dry_run,
        progress=_wants_bar(options),
        threads=options.threads,
    )
    return _report(result, options)


def _wants_bar(options: argparse.Namespace) -> bool | None:
    return True if sys.stderr.isatty() and not options.json else None


def _report(result: obs_sync.TransferResult, options: argparse.Namespace, moved: bool = False) -> Summary:
    if options.dry_run and not options.json:
        for name in result.copied:
            print(one_line(name or options.source))
    return result.to_dict() if options.json else {"text": result.summary(moved)}


def mv(fs: obs_sync.ObsFileSystem, options: argparse.Namespace) -> Summary:
    """Move files and folders: copy, verify, then remove the source's files that have arrived."""
    result = move_files(
        options.source, options.target, filesystem=fs, dry_run=options.dry_run, progress=_wants_bar(options)
    )
    return _report(result, options, moved=True)


def sync(fs: obs_sync.ObsFileSystem, options: argparse.Namespace) -> Summary:
    """Copy a folder's new and changed files; with --delete also remove files that the source does not have."""
    result, removed = mirror(
        options.source,
        options.target,
        filesystem=fs,
        delete=options.delete,
        dry_run=options.dry_run,
        progress=_wants_bar(options),
    )
    report = _report(result, options)
    if not options.delete:
        return report
    if options.json:
        return {**report, "removed": removed}
    verb = "would remove" if options.dry_run else "removed"
    for name in removed if options.dry_run else []:
        print(one_line(f"remove {name}"))
    return {"text": f"{report['text']}; {verb} {plural(len(removed), 'file')}"}


def cat(fs: obs_sync.ObsFileSystem, options: argparse.Namespace) -> Summary:
    """Write an object to stdout."""
    count = 0
    with fs.open(options.url, "rb") as handle:
        while block := handle.read(_BLOCK):
            sys.stdout.buffer.write(block)
            count += len(block)
    sys.stdout.buffer.flush()
    return {"bytes": count}


def rm(fs: obs_sync.ObsFileSystem, options: argparse.Namespace) -> Summary:
    """Remove an object, or with -r everything below a URL."""
    if not options.recursive:
        fs.rm_file(options.url)
        return {"removed": 1} if options.json else {"text": f"removed {options.url}"}
    bucket, key = fs.split(options.url)
    if not key:
        problem = "this would empty the whole bucket"
        raise InvalidRequest(problem, url=options.url, operation="rm", next_step="name a folder in it")
    count = len(fs.find(options.url))
    fs.rm(options.url, recursive=True)
    done = {"removed": count, "bucket": bucket}
    return done if options.json else {"text": f"removed {plural(count, 'object')} below {options.url}"}


def stat(fs: obs_sync.ObsFileSystem, options: argparse.Namespace) -> Summary:
    """Show size, ETag and time of an object."""
    info = fs.info(options.url)
    shown = {**_shown(info), "type": info["type"], "etag": info.get("etag", "")}
    if not options.json:
        for name, value in {**shown, "size": f"{info['size']:,} ({human_size(info['size'])})"}.items():
            print(one_line(f"{name:<9} {value}"))
    return shown if options.json else {"text": f"{info['type']}, {human_size(info['size'])}"}


def du(fs: obs_sync.ObsFileSystem, options: argparse.Namespace) -> Summary:
    """Count objects and bytes below a URL."""
    sizes = obs_sync.list_files(options.url, filesystem=fs)
    total = sum(sizes.values())
    if not options.json:
        print(one_line(f"{human_size(total)} ({total:,} bytes) in {plural(len(sizes), 'object')}  {options.url}"))
    return {"objects": len(sizes), "bytes": total}


def verify(fs: obs_sync.ObsFileSystem, options: argparse.Namespace) -> Summary:
    """Compare two locations file by file, by size and content; nothing is changed."""
    result = obs_sync.copy(options.source, options.target, filesystem=fs, dry_run=True)
    if result.copied:
        raise Incomplete(
            f"{len(result.copied)} of {plural(result.listed, 'file')} missing or different, first {result.copied[0]!r}",
            result,
            url=f"{options.source} -> {options.target}",
            operation="verify",
            next_step="copy again",
        )
    return {"listed": result.listed, "identical": len(result.skipped)}


def mb(fs: obs_sync.ObsFileSystem, options: argparse.Namespace) -> Summary:
    """Create a bucket (in local mode: its folder)."""
    bucket = fs.split(options.url).bucket
    fs.mkdir(f"obs://{bucket}")
    return {"bucket": bucket} if options.json else {"text": f"obs://{bucket} is ready"}


def doctor(fs: obs_sync.ObsFileSystem, options: argparse.Namespace) -> Summary:
    """Check whether the storage can be used, with the next step for each problem."""
    findings: list[Finding] = []
    for finding in examine(fs, options.url):
        findings.append(finding)
        if not options.json:
            print(one_line(f"{'ok  ' if finding.good else 'FAIL'} {finding.check:<13} {finding.detail}"))
    report = DoctorReport(findings)
    if report.failed:
        raise ChecksFailed(report)
    return report.to_dict() if options.json else {"checks": len(findings), "failed": 0}


def _add_url(to: argparse.ArgumentParser) -> None:
    to.add_argument("url", help=_URL)


def _add_recursive_url(to: argparse.ArgumentParser) -> None:
    to.add_argument("-r", "--recursive", action="store_true", help="everything below the URL")
    to.add_argument("url", help=_URL)


def _add_two(to: argparse.ArgumentParser) -> None:
    to.add_argument("source", help="file or folder: obs://bucket/key, or a path on this machine")
    to.add_argument("target", help="file or folder to copy to; for a single file, a target folder ends with /")


def _add_two_or_dry_run(to: argparse.ArgumentParser) -> None:
    _add_two(to)
    to.add_argument("--dry-run", action="store_true", help="only show what would be done")


def _add_copy(to: argparse.ArgumentParser) -> None:
    _add_two_or_dry_run(to)
    to.add_argument("--include", action="append", default=[], metavar="PATTERN", help="copy only files with such names")
    to.add_argument("--exclude", action="append", default=[], metavar="PATTERN", help="skip files with such names")
    to.add_argument("--threads", type=int, help="files copied at the same time")


def _add_sync(to: argparse.ArgumentParser) -> None:
    _add_two_or_dry_run(to)
    to.add_argument("--delete", action="store_true", help="remove files that the source does not have")


ALL: tuple[tuple[Command, Callable[[argparse.ArgumentParser], None]], ...] = (
    (ls, _add_recursive_url),
    (cp, _add_copy),
    (mv, _add_two_or_dry_run),
    (sync, _add_sync),
    (cat, _add_url),
    (rm, _add_recursive_url),
    (stat, _add_url),
    (du, _add_url),
    (verify, _add_two),
    (mb, _add_url),
    (doctor, _add_url),
)
