"""The run folder: atomic files, a manifest of stage keys, and the store that resumes from them.

`docs/run-folder.md` is the contract with other programs. Everything is written under a temporary name first
and renamed when complete; the manifest says of each stage which key its files were made with.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

from .asset import ObjectAsset
from .crop import CropVolume
from .errors import InputError, OutputError
from .folder_lock import lock_folder
from .peak_memory import peak_memory_bytes
from .reconstruction import STAGES
from .stage_files import (
    pack_asset,
    pack_depth,
    pack_instances,
    pack_painted_parts,
    unpack_asset,
    unpack_depth,
    unpack_instances,
    unpack_painted_parts,
)

T = TypeVar("T")

SCHEMA = 1
MANIFEST = "manifest.json"
# Files whose names other programs use too: where no run wrote them, they are the user's own.
_PRODUCTS = ("scene.glb", "scene.json", "instances.png", "depth.png", "report.html", "report.json")
_TEMPORARY_SUFFIX = ".partial"
# What an interrupted `--only` had finished, in a folder named by its key; the scene does not have it yet.
_ONLY = "stages/only"
_CODECS: dict[str, tuple[Callable[[Any], bytes], Callable[[bytes], Any]]] = {
    "segment": (pack_instances, unpack_instances),
    "depth": (pack_depth, unpack_depth),
    "complete": (pack_painted_parts, unpack_painted_parts),
}


class RunFolder:
    """One run's files. Nothing is created before the first write. stages: in the order in which they run."""

    def __init__(self, path: Path, *, stages: Sequence[str] = STAGES) -> None:
        self.path, self.stages = path, tuple(stages)
        self.has_lock = False  # while `locked`, where there are locks
        # os.path, here and below: a folder that may not be looked into is no error yet, and making it says why.
        if os.path.exists(path) and not os.path.isdir(path):
            raise OutputError(f"{path} is a file; choose a folder for the output.")
        self.manifest = self._read_manifest()

    def _read_manifest(self) -> dict[str, Any]:
        file = self.path / MANIFEST
        fresh: dict[str, Any] = {"schema": SCHEMA, "stages": {}, "files": [], "sha256": {}}
        if not os.path.isfile(file):
            return fresh
        try:
            manifest: dict[str, Any] = json.loads(file.read_text())
            names = [*manifest["files"], *(name for entry in manifest["stages"].values() for name in entry["files"])]
            names += [name for entry in manifest["stages"].values() for name in dict(entry.get("other_keys", {}))]
            manifest["sha256"] = dict(manifest.get("sha256", {}))
            same = manifest["schema"] == SCHEMA and all(_is_inside(name) for name in names)
        except (OSError, ValueError, KeyError, AttributeError, TypeError):
            return fresh
        return manifest if same else fresh

    @contextmanager
    def locked(self) -> Iterator[None]:
        """The folder for one run alone, with the manifest as it is now.

        Raises OutputError where another run writes to it, InputError where it holds somebody else's files.
        """
        is_new = not os.path.exists(self.path)
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            if not os.access(self.path, os.W_OK | os.X_OK):  # now, not when the first stage is done
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
            let_go = lock_folder(self.path)
        except BlockingIOError as error:
            raise OutputError(
                f"Another run is writing to {self.path}; wait for it, or choose another folder with -o."
            ) from error
        except OSError as error:
            raise self._output_error(error) from error
        self.has_lock = let_go is not None
        try:
            self.manifest = self._read_manifest()
            self._refuse_foreign_files()
            self._remove_left_overs()
            yield
        finally:
            if let_go is not None:
                let_go()
            if is_new:  # nothing was written: leave no empty folder
                with suppress(OSError):
                    self.path.rmdir()

    def _refuse_foreign_files(self) -> None:
        if (self.path / MANIFEST).exists():
            return
        foreign = [name for name in _PRODUCTS if (self.path / name).exists()]
        if foreign:
            raise InputError(
                f"{self.path} already holds {', '.join(foreign)}, which no run of this program wrote; "
                "choose another folder with -o."
            )

    def _remove_left_overs(self) -> None:
        """What a killed run left of files that it had not finished."""
        for folder in (".", "objects", "crops", "stages", "stages/objects", f"{_ONLY}/*"):
            for file in self.path.glob(f"{folder}/.*{_TEMPORARY_SUFFIX}"):
                with suppress(OSError):
                    file.unlink()

    def has(self, stage: str, key: str) -> bool:
        """Was this stage finished with this key, it and all that it was made from, and are its files as they were?"""
        before = self.stages[: self.stages.index(stage) + 1]
        mixed = any(self._other_keys(earlier) for earlier in before)
        return self.finished(stage) and self.manifest["stages"][stage]["key"] == key and not mixed

    def finished(self, stage: str) -> bool:
        """Was this stage finished with any key, and are its files as they were written?"""
        entry = self.manifest["stages"].get(stage)
        return bool(entry and entry["status"] == "done" and all(self.is_intact(name) for name in entry["files"]))

    def is_intact(self, name: str) -> bool:
        """Is a file there, with the content that a run wrote?"""
        try:
            with (self.path / name).open("rb") as file:
                found = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError:
            return False
        return found == self.manifest["sha256"].get(name)

    def lost(self, keys: Mapping[str, str]) -> list[str]:
        """Files of the stages with these keys that are missing, or not as they were written."""
        entries = [entry for stage, entry in self.manifest["stages"].items() if entry["key"] == keys.get(stage)]
        return sorted(name for entry in entries for name in entry["files"] if not self.is_intact(name))

    def lost_stages(self) -> list[str]:
        """Stages before `export` that were finished with any key, and some of whose files are not as they were."""
        done = [name for name, entry in self.manifest["stages"].items() if entry["status"] == "done"]
        return [stage for stage in self.stages if stage in done and stage != "export" and not self.finished(stage)]

    def made(self, stage: str, key: str) -> frozenset[str]:
        """Files of a stage that were made with this key, also where it was only begun."""
        return frozenset(name for name, of in self.file_keys(stage).items() if of == key)

    def file_keys(self, stage: str) -> dict[str, str]:
        """The files of a stage with the key that each was made with; `--only` makes some with another one."""
        entry = self.manifest["stages"].get(stage)
        return {name: self._other_keys(stage).get(name, entry["key"]) for name in entry["files"]} if entry else {}

    def object_names(self) -> tuple[str, ...]:
        """The objects that the stage `generate` has."""
        return tuple(PurePosixPath(name).stem for name in self.file_keys("generate"))

    def _other_keys(self, stage: str) -> dict[str, str]:
        """Keys of the files of a stage that were made with another one than the stage."""
        keys: dict[str, str] = self.manifest["stages"].get(stage, {}).get("other_keys", {})
        return keys

    def seconds_begun(self, stage: str, key: str) -> float:
        """What was spent on a stage that was begun with this key and not finished."""
        entry = self.manifest["stages"].get(stage)
        return float(entry["seconds"]) if entry and entry["key"] == key and entry["status"] == "begun" else 0.0

    def write(self, files: Mapping[str, bytes]) -> None:
        """Write several files so that either all of them get their final name or none does.

        Raises OutputError, naming the reason and the remedy, and leaves the folder as it was.
        """
        temporary: list[tuple[Path, Path]] = []
        try:
            for name, data in files.items():
                target = self.path / name
                if target.is_dir():
                    raise IsADirectoryError(errno.EISDIR, f"{target} is a folder")
                target.parent.mkdir(parents=True, exist_ok=True)
                handle, temporary_name = tempfile.mkstemp(
                    prefix=f".{target.name}.", suffix=_TEMPORARY_SUFFIX, dir=target.parent
                )
                temporary.append((Path(temporary_name), target))
                with os.fdopen(handle, "wb") as file:
                    file.write(data)
                os.chmod(temporary_name, 0o644)
            for source, target in temporary:
                os.replace(source, target)
            self.manifest["sha256"] |= {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
        except OSError as error:
            raise self._output_error(error) from error
        finally:
            for source, _ in temporary:
                source.unlink(missing_ok=True)

    def _output_error(self, error: OSError) -> OutputError:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            return OutputError(
                f"Writing to {self.path} failed because the disk is full ({error.strerror}); "
                "free some space and run the same command again, finished stages and objects are kept."
            )
        return OutputError(
            f"Writing to {self.path} failed ({error.strerror}); choose an output folder that can be written with -o."
        )

    def begin(self, stage: str, key: str, files: Iterable[str], *, seconds: float) -> None:
        """Record a stage as begun, with those of its files that are there; else as `finish`.

        What else it has by then of another key is no longer believed, and is removed when the run is finished.
        """
        earlier = self.manifest["stages"].get(stage, {"files": ()})["files"]
        files = list(files)
        self.manifest["files"] = sorted({*self.manifest["files"], *earlier, *files})
        self._record(stage, key, "begun", files, seconds)

    def finish(
        self, stage: str, key: str, files: Iterable[str], *, seconds: float, kept: Mapping[str, str] | None = None
    ) -> None:
        """Record a stage as done; stages after it, and those that this run does not have, are forgotten.

        kept: files that were taken over, with the keys that they were made with.
        """
        other_keys = {name: of for name, of in (kept or {}).items() if of != key}
        self._record(stage, key, "done", files, seconds, other_keys)

    def _record(
        self,
        stage: str,
        key: str,
        status: str,
        files: Iterable[str],
        seconds: float,
        other_keys: Mapping[str, str] | None = None,
    ) -> None:
        stages = self.manifest["stages"]
        for foreign in set(stages) - set(self.stages):
            del stages[foreign]
        for later in self.stages[self.stages.index(stage) + 1 :]:
            stages.pop(later, None)
        stages[stage] = {
            "key": key,
            "status": status,
            "seconds": round(seconds, 3),
            "peak_memory_bytes": peak_memory_bytes(),
            "files": sorted(files),
            **({"other_keys": dict(other_keys)} if other_keys else {}),
        }
        listed = {*self.manifest["files"], *(name for entry in stages.values() for name in entry["files"])}
        self.manifest["sha256"] = {name: of for name, of in self.manifest["sha256"].items() if name in listed}
        self.write({MANIFEST: _json(self.manifest)})

    def forget(self, stage: str) -> None:
        """Drop a stage and those after it from the manifest in memory; its files stay until they are replaced."""
        if stage not in self.stages:
            raise InputError(f"There is no stage {stage!r}; choose one of: {', '.join(self.stages)}.")
        for name in self.stages[self.stages.index(stage) :]:
            self.manifest["stages"].pop(name, None)

    def remove_stale(self, files: Iterable[str]) -> None:
        """Delete files that an earlier run listed and this one does not write."""
        current = set(files)
        for name in set(self.manifest["files"]) - current:
            (self.path / name).unlink(missing_ok=True)
        self.manifest["files"] = sorted(current)


class RunFolderStore:
    """Keeps stage results in a run folder. keys: from `reconstruction.stage_keys`.

    only: names of the objects to generate again; all others are taken as they are.
    """

    def __init__(self, folder: RunFolder, keys: Mapping[str, str], *, only: frozenset[str] = frozenset()) -> None:
        self.folder, self.keys, self.only = folder, keys, only
        self.seconds: dict[str, float] = {}

    def keep(self, stage: str, make: Callable[[], T]) -> T:
        """See `reconstruction.Store`."""
        pack, unpack = _CODECS[stage]
        name = f"stages/{stage}.npz"
        if self.folder.has(stage, self.keys[stage]):
            kept = self._load(name, unpack)
            if kept is not None:
                return kept
        started = time.perf_counter()
        value = make()
        self.folder.begin(stage, self.keys[stage], [], seconds=0.0)  # before the file of another key is replaced
        self.folder.write({name: pack(value)})
        self._finish(stage, [name], started)
        return value

    def keep_assets(
        self, volumes: tuple[CropVolume, ...], make: Callable[[tuple[CropVolume, ...]], Iterable[ObjectAsset]]
    ) -> list[ObjectAsset]:
        """See `reconstruction.Store`. An object is kept as soon as it is made; objects of `only` in a folder of their
        own until all are there, since what they join may be of other settings: till then the scene stays as it is.
        """
        files = {v.name: f"stages/objects/{v.name}.npz" for v in volumes}
        key, kept = self.keys["generate"], self._kept_assets(files)
        missing = tuple(v for v in volumes if v.name not in kept)
        if not missing and not self.only and self.folder.has("generate", key):
            return [kept[v.name] for v in volumes]
        started, earlier_s = time.perf_counter(), self.folder.seconds_begun("generate", key)
        if not self.only:  # before the first file is replaced
            self.folder.begin("generate", key, [files[name] for name in kept], seconds=earlier_s)
        for volume, asset in zip(missing, make(missing) if missing else (), strict=True):
            kept[volume.name] = asset
            self.folder.write({self._file_of_only(volume.name) if self.only else files[volume.name]: pack_asset(asset)})
            if not self.only:
                seconds = earlier_s + time.perf_counter() - started
                self.folder.begin("generate", key, [files[name] for name in kept], seconds=seconds)
        of: dict[str, str] = {}
        if self.only:
            of = self.folder.file_keys("generate") | {files[name]: key for name in self.only}
            self.folder.write({files[name]: pack_asset(kept[name]) for name in sorted(self.only)})
        self._finish("generate", files.values(), started, earlier_s=earlier_s, kept=of)
        shutil.rmtree(self.folder.path / _ONLY, ignore_errors=True)
        return [kept[v.name] for v in volumes]

    def _file_of_only(self, name: str) -> str:
        return f"{_ONLY}/{self.keys['generate']}/{name}.npz"

    def _kept_assets(self, files: Mapping[str, str]) -> dict[str, ObjectAsset]:
        """Assets that can be taken as they are, by name. files: of all objects, by name."""
        # With `only` the other objects stay as they are, also where they were made with another seed or setting.
        every = self.only and self.folder.finished("generate")
        usable = set(files.values()) if every else self.folder.made("generate", self.keys["generate"])
        wanted = {name: file for name, file in files.items() if file in usable and name not in self.only}
        wanted |= {name: self._file_of_only(name) for name in self.only}
        loaded = {name: self._load(file, unpack_asset) for name, file in wanted.items()}
        return {name: asset for name, asset in loaded.items() if asset is not None}

    def _finish(
        self,
        stage: str,
        files: Iterable[str],
        started: float,
        *,
        earlier_s: float = 0.0,
        kept: Mapping[str, str] | None = None,
    ) -> None:
        """earlier_s: what an interrupted run had spent on it. kept: see `RunFolder.finish`."""
        self.seconds[stage] = time.perf_counter() - started
        seconds = earlier_s + self.seconds[stage]
        self.folder.finish(stage, self.keys[stage], files, seconds=seconds, kept=kept)

    def _load(self, name: str, unpack: Callable[[bytes], Any]) -> Any:
        """A kept result, or None where the file is damaged: it is then made again."""
        try:
            return unpack((self.folder.path / name).read_bytes())
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
            return None


def objects_of_other_settings(folder: RunFolder, keys: Mapping[str, str]) -> tuple[str, ...]:
    """Names of the objects that `--only` made, or kept, with other settings than those of `keys`; none where no object
    has the settings of `keys`."""
    of = folder.file_keys("generate")
    others = tuple(PurePosixPath(file).stem for file, key in of.items() if key != keys["generate"])
    return others if len(others) < len(of) else ()


def is_run_folder(path: Path) -> bool:
    """Whether a manifest shows that a run wrote into this folder."""
    return bool(RunFolder(path).manifest["stages"])


def _is_inside(name: str) -> bool:
    """A manifest may come from elsewhere, and what it lists is deleted when it is stale."""
    path = PurePosixPath(name)
    return not path.is_absolute() and ".." not in path.parts


def _json(value: object) -> bytes:
    return (json.dumps(value, indent=1, sort_keys=True) + "\n").encode()
