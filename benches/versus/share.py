"""What is shared: made once a scenario, given to each seeder by links, compared after each run."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from memory import available
from model import Failed, Skip

CHUNK = 4 << 20
#: Files of a folder are spread over folders of so many, as people's are.
FILES_PER_FOLDER = 1000
TMPFS = Path("/dev/shm")


@dataclass(frozen=True)
class Share:
    """A file or folder of random bytes."""

    path: Path
    size: int
    files: int = 1

    @property
    def name(self) -> str:
        """How it is called everywhere."""
        return self.path.name

    def link_into(self, folder: Path) -> Path:
        """Puts it into the folder without a copy; returns where it is there."""
        folder.mkdir(parents=True, exist_ok=True)
        there = folder / self.name
        if self.path.is_dir():
            shutil.copytree(self.path, there, copy_function=os.link)
        else:
            os.link(self.path, there)
        return there

    def compare(self, copy: Path) -> None:
        """Raises `Failed` if the copy is not the same, byte for byte."""
        for mine in [self.path] if self.path.is_file() else sorted(self.path.rglob("*")):
            if mine.is_file():
                _compare_file(mine, copy / mine.relative_to(self.path))


def make_file(folder: Path, size: int, copies: int = 1) -> Share:
    """A file of `size` random bytes, where there is room for so many copies as well."""
    _need_space(folder, (1 + copies) * size)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "data.bin"
    with path.open("wb", buffering=0) as out:
        for start in range(0, size, CHUNK):
            out.write(os.urandom(min(CHUNK, size - start)))
        os.fsync(out)
    return Share(path, size)


def make_folder(folder: Path, files: int, file_size: int) -> Share:
    """A folder of `files` files of `file_size` random bytes each."""
    _need_space(folder, 2 * files * max(file_size, 4096))
    path = folder / "data"
    for number in range(files):
        inner = path / f"{number // FILES_PER_FOLDER:03}"
        if number % FILES_PER_FOLDER == 0:
            inner.mkdir(parents=True)
        (inner / f"{number:06}").write_bytes(os.urandom(file_size))
    return Share(path, files * file_size, files)


def _need_space(folder: Path, size: int) -> None:
    while not folder.exists():
        folder = folder.parent
    space = os.statvfs(folder)
    free = space.f_bavail * space.f_frsize
    if folder.is_relative_to(TMPFS):
        free = min(free, available())
    if free < size:
        raise Skip(f"needs {size / 2**30:.1f} GiB in {folder}, which has {free / 2**30:.1f} free")


def _compare_file(mine: Path, other: Path) -> None:
    if not other.is_file() or other.stat().st_size != mine.stat().st_size:
        raise Failed(f"{other} is not there or has not the right length")
    with mine.open("rb", buffering=0) as a, other.open("rb", buffering=0) as b:
        while chunk := a.read(CHUNK):
            if chunk != b.read(len(chunk)):
                raise Failed(f"{other} is not the same as what was shared")
