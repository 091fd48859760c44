"""Command line: python -m obs_sync ls|cp|cat|rm|stat|du|verify|mb|doctor

Exit codes: 0 done; 1 something failed (the last line says what); 2 the command itself is wrong; 3 a copy ended with
some files failed, or `verify` found differences; 4 not found; 5 access denied. Every command ends in one summary
line on stderr (with --json: as JSON on stdout).
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
from collections.abc import Sequence
from typing import Any

import obs_sync
from obs_sync.doctor import examine
from obs_sync.errors import AccessDenied, InvalidRequest, NotFound, ObsSyncError
from obs_sync.settings import MODES
from obs_sync.transfer.result import Incomplete

FAILED, WRONG_CALL, INCOMPLETE, NOT_FOUND, DENIED = 1, 2, 3, 4, 5
_BLOCK = 1 << 20
EPILOG = """examples:
  python -m obs_sync ls -r obs://bucket/run1/
  python -m obs_sync cp ./data obs://bucket/data --include '*.jpg' --dry-run
  python -m obs_sync cp obs://bucket/run1/best.ckpt ./models/
  python -m obs_sync verify ./data obs://bucket/data
  python -m obs_sync --storage_mode obs --endpoint https://obs.cn-north-4.myhuaweicloud.com doctor obs://bucket
keys come from OBS_ACCESS_KEY_ID, OBS_SECRET_ACCESS_KEY and OBS_SECURITY_TOKEN"""

Summary = dict[str, Any]


def ls(fs: obs_sync.ObsFileSystem, options: argparse.Namespace) -> Summary:
    """List what is directly below a url, or with -r all."""
    entries = list(fs.find(options.url, detail=True).values()) if options.recursive else fs.ls(options.url)
    entries.sort(key=lambda entry: entry["name"])
    if options.recursive and not entries:
        raise NotFound("no such folder or object", url=options.url, operation="ls", next_step="check the url")
    shown = [_shown(entry) for entry in entries]
    if not options.json:
        for entry in shown:
            print(f"{entry['size']:>14,}  {entry['modified'] or '-':<25}  {entry['url']}")
    return {"entries": len(shown), "bytes": sum(e["size"] for e in shown), **({"list": shown} if options.json else {})}


def _shown(entry: dict[str, Any]) -> dict[str, Any]:
    folder = "/" if entry["type"] == "directory" else ""
    moment = entry.get("LastModified")
    url = f"obs://{entry['name']}{folder}"
    return {"url": url, "size": entry["size"], "modified": moment.isoformat(timespec="seconds") if moment else None}


def cp(fs: obs_sync.ObsFileSystem, options: argparse.Namespace) -> Summary:
    """Copy files and folders in any direction."""
    bar = sys.stderr.isatty() and not options.json
    result = obs_sync.copy(
        options.source,
        options.target,
        filesystem=fs,
        include=options.include,
        exclude=options.exclude,
        dry_run=options.dry_run,
        progress=bar or None,
        threads=options.threads,
    )
    if options.dry_run and not options.json:
        for name in result.copied:
            print(name or options.source)
    return result.to_dict() if options.json else {"text": result.summary()}


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
    """Remove an object, or with -r all below a url."""
    if not options.recursive:
        fs.rm_file(options.url)
        return {"removed": 1}
    bucket, key = fs.split(options.url)
    if not key:
        problem = "that would empty the whole bucket"
        raise InvalidRequest(problem, url=options.url, operation="rm", next_step="name a folder in it")
    count = len(fs.find(options.url))
    fs.rm(options.url, recursive=True)
    return {"removed": count, "bucket": bucket}


def stat(fs: obs_sync.ObsFileSystem, options: argparse.Namespace) -> Summary:
    """Show size, ETag and time of an object."""
    info = fs.info(options.url)
    shown = {**_shown(info), "type": info["type"], "etag": info.get("etag", "")}
    if not options.json:
        for name, value in shown.items():
            print(f"{name:<9} {value}")
    return shown if options.json else {"type": info["type"], "bytes": info["size"]}


def du(fs: obs_sync.ObsFileSystem, options: argparse.Namespace) -> Summary:
    """Count objects and bytes below a url."""
    sizes = obs_sync.list_files(options.url, filesystem=fs)
    if not options.json:
        print(f"{sum(sizes.values()):,} bytes in {len(sizes):,} objects  {options.url}")
    return {"objects": len(sizes), "bytes": sum(sizes.values())}


def verify(fs: obs_sync.ObsFileSystem, options: argparse.Namespace) -> Summary:
    """Compare two places file by file, by size and content, and change nothing."""
    result = obs_sync.copy(options.source, options.target, filesystem=fs, dry_run=True)
    if result.copied:
        raise Incomplete(
            f"{len(result.copied)} of {result.listed} files are missing or differ, first {result.copied[0]!r}",
            result,
            url=f"{options.source} -> {options.target}",
            operation="verify",
            next_step="copy again",
        )
    return {"listed": result.listed, "identical": len(result.skipped)}


def mb(fs: obs_sync.ObsFileSystem, options: argparse.Namespace) -> Summary:
    """Create a bucket (in local mode: its folder)."""
    fs.mkdir(f"obs://{fs.split(options.url).bucket}")
    return {"bucket": fs.split(options.url).bucket}


def doctor(fs: obs_sync.ObsFileSystem, options: argparse.Namespace) -> Summary:
    """Check that the storage can be used, and say what to do if not."""
    findings = []
    for finding in examine(fs, options.url):
        findings.append(finding)
        if not options.json:
            print(f"{'ok  ' if finding.good else 'FAIL'} {finding.check:<13} {finding.detail}")
    bad = [finding for finding in findings if not finding.good]
    if bad:
        raise ObsSyncError(f"{len(bad)} of {len(findings)} checks failed, first {bad[0].check}", operation="doctor")
    return {"checks": len(findings), "failed": 0}


def parser() -> argparse.ArgumentParser:
    """The command line."""
    main = argparse.ArgumentParser(
        prog="python -m obs_sync",
        description=__doc__,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _add_common(main)
    commands = main.add_subparsers(dest="command", required=True)
    for function in (ls, cp, cat, rm, stat, du, verify, mb, doctor):
        command = commands.add_parser(function.__name__, help=function.__doc__, description=function.__doc__)
        command.set_defaults(run=function)
        if function in (cp, verify):
            command.add_argument("source")
            command.add_argument("target")
        else:
            command.add_argument("url")
        if function in (ls, rm):
            command.add_argument("-r", "--recursive", action="store_true")
        if function is cp:
            command.add_argument("--include", action="append", default=[], metavar="PATTERN")
            command.add_argument("--exclude", action="append", default=[], metavar="PATTERN")
            command.add_argument("--dry-run", action="store_true", help="say what would be copied")
            command.add_argument("--threads", type=int, help="files at a time")
        _add_common(command, default=argparse.SUPPRESS)  # they may stand before or behind the command's name
    return main


def _add_common(to: argparse.ArgumentParser, **default: Any) -> None:
    to.add_argument("--storage_mode", choices=MODES, help="default: OBS_STORAGE_MODE, else auto", **default)
    to.add_argument(
        "--obs_local_root", help="local mode: the folder that stands for OBS (default ./obs_root)", **default
    )
    to.add_argument("--endpoint", help="default: OBS_ENDPOINT", **default)
    to.add_argument("--json", action="store_true", help="print one JSON document instead of text", **default)
    to.add_argument("--verbose", action="store_true", help="log every retry", **default)


def exit_code(error: ObsSyncError) -> int:
    """The exit code for an error."""
    if isinstance(error, Incomplete):
        return INCOMPLETE
    if isinstance(error, NotFound):
        return NOT_FOUND
    if isinstance(error, AccessDenied):
        return DENIED
    return WRONG_CALL if isinstance(error, InvalidRequest) else FAILED


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    options = parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO if options.verbose else logging.ERROR, format="%(levelname)s %(message)s")
    settings = {name: getattr(options, name) for name in ("storage_mode", "obs_local_root", "endpoint")}
    summary: Summary = {"command": options.command}
    code = 0
    try:
        fs = obs_sync.filesystem(**settings)
        summary.update(options.run(fs, options))
    except ObsSyncError as error:
        code = exit_code(error)
        result = getattr(error, "result", None)
        summary.update(result.to_dict() if result is not None and options.json else {})
        summary["error"] = str(error)
    except BrokenPipeError:  # the reader of our output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    if options.json:
        print(json.dumps({**summary, "exit_code": code}, ensure_ascii=False))
    else:
        print(_line(summary), file=sys.stderr)
    return code


def _line(summary: Summary) -> str:
    if "error" in summary:
        return f"{summary['command']}: failed: {summary['error']}"
    if "text" in summary:
        return f"{summary['command']}: {summary['text']}"
    facts = ", ".join(f"{value} {name}" for name, value in summary.items() if name != "command")
    return f"{summary['command']}: {facts}"


if __name__ == "__main__":
    sys.exit(main())
