"""A batch: many secrets, each hidden in a picture of its own; and many pictures, each revealed.

The plan is a SQLite file: a row of `jobs` for each picture to write, and a row of `rows` for each that is written.
"""

import csv
import io
import json
import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import Literal, NamedTuple, Self

from csfnns.batch.run import Runner, RunResult
from csfnns.batch.store import Row, Store
from csfnns.covers import make_generator
from csfnns.errors import CsfnnsError, PictureError, SearchError, UsageError
from csfnns.files import natural
from csfnns.images.io import READABLE, read_picture
from csfnns.images.output import JPEG, check_output_name, encode_picture, write_atomically
from csfnns.keys import Key
from csfnns.messages.receive import receive
from csfnns.messages.results import Revealed
from csfnns.messages.send import DRAWS, MessageSeeds, draw_seeds, send_with
from csfnns.payloads.frame import File, Kind, inert_name, safe_name
from csfnns.payloads.secret import Secret, is_picture, read_secret
from csfnns.process import undisturbed

Format = Literal["png", "webp", "jpg"]
COLUMNS = ("source", "receiver", "output")
PLAN = ".csfnns-plan.sqlite"
REVEALED = ".csfnns-revealed.sqlite"


@dataclass(frozen=True)
class HideJob:
    """One picture to write."""

    id: str
    source: str
    """Path of the file to hide."""
    receiver: str | None
    """None for the only one of the key."""
    output: str
    """Path of the picture."""


@dataclass(frozen=True)
class Options:
    """How all secrets of a plan are hidden; as of `csfnns.hide`."""

    method: str | None = None
    resize: int | None = None
    dated: bool = True


class Counts(NamedTuple):
    """State of a plan."""

    done: int
    failed: int
    running: int
    waiting: int


class Plan:
    """A plan in its file. Several processes may work on it at once."""

    def __init__(self, path: Path) -> None:
        """Open a plan. Raises UsageError for a file that is none."""
        if not path.is_file():
            raise UsageError(f"There is no plan {path}.", "Make one: csfnns batch plan FOLDER PLAN -o FOLDER.")
        self.store = Store(path.parent, path.name, must_exist=True)
        try:
            with self.store.opened() as plan:
                (options,) = plan.execute("SELECT options FROM plan").fetchone()
                jobs = plan.execute("SELECT id, source, receiver, output FROM jobs ORDER BY id").fetchall()
        except UsageError as error:
            raise UsageError(f"{path} is not a plan of a batch.", "Make one with: csfnns batch plan.") from error
        self.options = Options(**json.loads(options))
        self.jobs = [HideJob(*each) for each in jobs]

    @classmethod
    def make(cls, path: Path, jobs: Sequence[HideJob], options: Options) -> Self:
        """Write a plan. Raises UsageError for a name that is taken, and for outputs that exist or are named twice.

        Makes the outputs' folders. Raises PictureError for outputs of a format that is not written.
        """
        if os.path.lexists(path):
            raise UsageError(f"{path} already exists.", "Run it, or choose another name for the plan.")
        if not jobs:
            raise UsageError("There is nothing to hide.", "Name a folder with files, or a CSV file with rows.")
        for folder in {os.path.dirname(job.output) for job in jobs}:
            _make_folder(Path(folder))
        seen: set[str] = set()
        for job in jobs:
            if job.source != _text(job.source):
                raise UsageError(f"The name of {_text(job.source)} is not in UTF-8.", "Rename it.")
            if not os.path.isfile(job.source):
                raise UsageError(f"There is no file {job.source}.", "Check the path.")
            if job.output in seen or os.path.lexists(job.output):
                why = "is named twice" if job.output in seen else "already exists"
                raise UsageError(f"The output {job.output} {why}.", "Choose another folder or name.")
            check_output_name(job.output, jpeg=Path(job.output).suffix.lower() in JPEG)
            seen.add(job.output)
        store = Store(path.parent, path.name)
        with store.opened() as plan:
            plan.execute("BEGIN")
            plan.execute("CREATE TABLE plan (options TEXT)")
            plan.execute("INSERT INTO plan VALUES (?)", (json.dumps(asdict(options)),))
            plan.execute("CREATE TABLE jobs (id TEXT PRIMARY KEY, source TEXT, receiver TEXT, output TEXT)")
            rows = [(job.id, job.source, job.receiver, job.output) for job in jobs]
            plan.executemany("INSERT INTO jobs VALUES (?, ?, ?, ?)", rows)
        return cls(path)

    def counts(self) -> Counts:
        """How many jobs are done, failed, running and waiting."""
        rows = self.store.rows()
        failed = sum("error" in row for row in rows.values())
        running = self.store.claimed()
        return Counts(len(rows) - failed, failed, running, len(self.jobs) - len(rows) - running)

    def failures(self) -> dict[HideJob, str]:
        """Why, by the job that failed."""
        rows = self.store.rows()
        return {job: str(rows[job.id]["error"]) for job in self.jobs if "error" in rows.get(job.id, {})}

    def outputs(self) -> dict[HideJob, Row]:
        """What is known of each picture that is written: `message`, its id, and unless a kill lost these, `method`,
        `stego_psnr` and `recovered_psnr` in dB."""
        rows = self.store.rows()
        return {job: rows[job.id] for job in self.jobs if job.id in rows and "error" not in rows[job.id]}

    def retry(self) -> None:
        """Forget failures, so that the next run tries them again."""
        self.store.remove(key for key, row in self.store.rows().items() if "error" in row)

    def run(
        self,
        key: Key,
        runner: Runner | None = None,
        *,
        covers: str | os.PathLike[str] | None = None,
        done: Callable[[HideJob], object] = lambda job: None,
    ) -> RunResult:
        """Hide what is not hidden yet.

        A secret that cannot be hidden becomes a failure, and the others go on. Raises UsageError for receivers that the
        key does not have.
        """
        for job in self.jobs:
            key.route([] if job.receiver is None else [job.receiver])
        task = Hide(key, self.options, None if covers is None else os.fspath(covers))
        return (runner or Runner())(self.jobs, self.store, task, done)


@dataclass(frozen=True)
class Hide:
    """What to do with a job of a plan."""

    key: Key
    options: Options
    covers: str | None

    def pack(self, job: HideJob) -> "Callable[[], Row | Stego]":
        """Read the source and draw the seeds of its message: nothing else of the key travels."""
        try:
            if os.path.lexists(job.output):  # a process was killed before it noted this
                found = receive(job.output, self.key, receiver=None, covers=self.covers, denoise=False)
                return partial(dict, message=found.id)
            content = Path(job.source).read_bytes()
            seeds = self._draw(job, content)
        except OSError as error:
            return partial(self.lost, job, f"{job.source} cannot be read: {error.strerror}.")
        except CsfnnsError as error:
            return partial(self.lost, job, str(error))
        suffix = Path(job.output).suffix.lower()
        return HideWork(File(content, Path(job.source).name), seeds, suffix, self.options, self.covers)

    def _draw(self, job: HideJob, content: bytes) -> tuple[MessageSeeds, ...]:
        route = self.key.route([] if job.receiver is None else [job.receiver])
        digest = sha256(f"{job.source} {self.options} {time.time_ns()}".encode() + sha256(content).digest()).digest()
        draws = draw_seeds(self.key, route, make_generator(self.key.profile, self.covers), digest)
        album = self.key.profile.generator == "folder"  # each of whose pictures can be drawn once
        return tuple(islice(draws, 1 if album else DRAWS))

    def unpack(self, job: HideJob, result: "Row | Stego") -> Row:
        """Write the picture."""
        if not isinstance(result, Stego):
            return result
        try:
            write_atomically(result.data, Path(job.output))
        except PictureError as error:
            return self.lost(job, str(error))
        return result.about

    def lost(self, job: HideJob, reason: str) -> Row:
        """Row of a failure."""
        return {"error": reason}


@dataclass(frozen=True)
class Stego:
    """A picture that is made and not yet written."""

    data: bytes
    about: Row


@dataclass(frozen=True)
class HideWork:
    """One message to make."""

    source: File
    seeds: tuple[MessageSeeds, ...]
    suffix: str
    options: Options
    covers: str | None

    def __call__(self) -> "Row | Stego":
        """Make it, or the row of a failure."""
        try:
            return self._hide()
        except CsfnnsError as error:
            return {"error": str(error)}

    @undisturbed(SearchError)
    def _hide(self) -> Stego:
        options, sent = self.options, int(time.time()) if self.options.dated else 0
        hidden = send_with(
            self.seeds,
            self._secret(sent),
            suffix="" if self.suffix == ".png" else self.suffix,
            method=options.method,
            sent=sent,
            covers=self.covers,
        )
        (arrival,) = hidden.receivers.values()
        recovered = None if arrival.figures is None else arrival.figures.psnr
        about = {"message": hidden.id, "method": hidden.method, "stego_psnr": hidden.stego.psnr}
        return Stego(hidden.data, about | {"recovered_psnr": recovered})

    def _secret(self, sent: int) -> Secret:
        secret = read_secret(self.source, resize=self.options.resize, sent=sent)
        if secret.kind is Kind.FILE and secret.pictures == 1 and is_picture(str(self.source.name)):
            read_picture(self.source.content)  # it claims to be a picture, and raises why it is none
        return secret


@dataclass(frozen=True)
class RevealJob:
    """One picture to reveal."""

    id: str
    """Its path as text."""
    path: str
    prefix: str
    """How the name of its file begins, which may be anything that a file is called."""


@dataclass(frozen=True)
class Reveal:
    """What to do with a picture of a folder."""

    key: Key
    out: str
    covers: str | None

    def pack(self, job: RevealJob) -> Callable[[], Row]:
        """Its work."""
        return partial(self._reveal, job)

    @undisturbed(PictureError)
    def _reveal(self, job: RevealJob) -> Row:
        """Reveal it into the folder, under its own name and its sender's."""
        try:
            found = receive(job.path, self.key, receiver=None, covers=self.covers, denoise=None)
            path = self._save(found, job.prefix)
        except CsfnnsError as error:
            return self.lost(job, error.message)
        return {"output": str(path), "message": found.id, "unchanged": found.unchanged}

    def _save(self, found: Revealed, prefix: str) -> Path:
        """Write it under a name that begins with its picture's, or with its id where that name is another's."""
        name = safe_name(f"{prefix}-{found.file_name}") or found.file_name
        for each in (name, f"{found.id}-{name}"):
            path = Path(self.out) / inert_name(each)
            if not os.path.lexists(path):
                return found.save(path)
            if _holds(path, found):  # a process that was killed had written it
                return path
        raise PictureError(f"{path} already exists.", "Choose another folder.")

    def unpack(self, job: RevealJob, result: Row) -> Row:
        """The row."""
        return result

    def lost(self, job: RevealJob, reason: str) -> Row:
        """Row of a failure."""
        return {"error": reason}


def reveal_folder(
    folder: Path,
    key: Key,
    out: Path,
    runner: Runner | None = None,
    *,
    covers: str | os.PathLike[str] | None = None,
    done: Callable[[RevealJob], object] = lambda job: None,
) -> dict[str, Row]:
    """Reveal every picture of a folder into `out`; return for each path what was written, or an error.

    What is done is noted in `out`, so that the same call goes on after a stop. Raises UsageError.
    """
    if not folder.is_dir():
        raise UsageError(f"There is no folder {folder}.", "Check the path.")
    files = [each for each in _files(folder) if each.suffix.lower() in READABLE]
    if not files:
        raise UsageError(f"There are no pictures in {folder}.", "Give the folder that holds what was sent.")
    stems = [each.stem for each in files]
    names = [each.stem if stems.count(each.stem) == 1 else each.name for each in files]
    paths = [os.path.abspath(each) for each in files]
    jobs = [RevealJob(_text(path), path, name) for path, name in zip(paths, names, strict=True)]
    _make_folder(out)
    store = Store(out, REVEALED)
    (runner or Runner())(jobs, store, Reveal(key, str(out), None if covers is None else os.fspath(covers)), done)
    rows = store.rows()
    return {job.id: rows[job.id] for job in jobs if job.id in rows}


@dataclass(frozen=True)
class BatchResult:
    """What `csfnns.hide_many` did, in this call and in earlier ones with the same plan."""

    done: Mapping[HideJob, Row]
    """By job, with its `source` and its `output`: `message`, the message's id, `method`, `stego_psnr` and
    `recovered_psnr` in dB; of a picture whose process was killed before it noted these, the id alone."""
    failed: Mapping[HideJob, str]
    """Why each of the others could not be hidden."""


def hide_many(
    sources: "str | os.PathLike[str] | Iterable[str | os.PathLike[str]]",
    key: Key,
    out: str | os.PathLike[str],
    *,
    plan: str | os.PathLike[str] | None = None,
    receiver: str | None = None,
    format: Format = "png",
    method: str | None = None,
    resize: int | None = None,
    dated: bool = True,
    covers: str | os.PathLike[str] | None = None,
    workers: int | None = None,
    progress: Callable[[int, int], object] | None = None,
) -> BatchResult:
    """Hide many files, each in a picture of its own, by several processes.

    After an exception, or a kill, the same call continues. A file that cannot be hidden does not stop the others, and is
    tried again by a call with another plan.

    Args:
        sources: A folder, whose files, but no symbolic links, are hidden in natural order; a CSV file with the columns
            source and, if wanted, receiver and output; or paths.
        key: Key of a conversation, of a sender or of a receiver.
        out: Folder of the pictures, which is made if there is none. Each is named after its source.
        plan: SQLite file that keeps what is done; by default .csfnns-plan.sqlite in `out`.
        receiver: Receiver of all files, for keys that have several; a row of a CSV file can name another.
        format: Of the pictures: "png", "webp" or "jpg".
        method: Name of a method, as for `csfnns.hide`; None: for each file the one with which it arrives best.
        resize: Longest side of pictures in pixels, at most.
        dated: Whether to send the time of sending.
        covers: Folder of the album, or folder, file or name of the model, for keys whose covers come from one.
        workers: Processes, which share the processor's cores; None: one a core. One is this process itself.
        progress: Called after each file with the number of files that have a result, and of all files.

    Returns:
        What was hidden, and what was not.

    Raises:
        CsfnnsError: UsageError for arguments that do not fit together and for a plan of other files or settings,
            PictureError for outputs that cannot be written, and SearchError where worker processes end at once.
    """
    folder = Path(out)
    path = folder / PLAN if plan is None else Path(plan)
    jobs, options = jobs_of(sources, folder, receiver=receiver, suffix=format), Options(method, resize, dated)
    if path.is_file():
        opened = Plan(path)
        if (opened.jobs, opened.options) != (jobs, options):
            raise UsageError(f"{path} is the plan of other files or settings.", "Choose another plan.")
    else:
        opened = Plan.make(path, jobs, options)
    count = len(jobs) - sum(opened.counts()[2:])

    def done(job: HideJob) -> None:
        nonlocal count
        count += 1
        if progress is not None:
            progress(count, len(jobs))

    opened.run(key, Runner(workers), covers=covers, done=done)
    return BatchResult(opened.outputs(), opened.failures())


def jobs_of(
    sources: "str | os.PathLike[str] | Iterable[str | os.PathLike[str]]",
    out: Path,
    *,
    receiver: str | None = None,
    suffix: Format = "png",
) -> list[HideJob]:
    """Jobs for paths, for the files of a folder, in natural order, or for the rows of a CSV file.

    Symbolic links in a folder are left out (`links_in`): what they lead to was not put there to be sent.
    A CSV file has the columns source, and if wanted receiver and output; its paths start at its own folder, those of
    outputs at `out`. Where no output is named, it is the source's name in `out` with the suffix. Raises UsageError.
    """
    rows: list[Mapping[str, str | None]]
    if not isinstance(sources, str | os.PathLike):
        rows = [{"source": os.fspath(each)} for each in sources]
    elif os.path.isdir(sources):
        rows = [{"source": str(each)} for each in _files(Path(sources)) if not each.is_symlink()]
    else:
        rows = _csv(Path(sources))
    found: list[HideJob] = []
    names: set[str] = set()
    for i, row in enumerate(rows):
        path, name = Path(str(row["source"])), row.get("output")
        if name is None:
            name = f"{path.stem}.{suffix}"
            if name in names:  # photo.jpg and photo.png
                name = f"{path.name}.{suffix}"
        names.add(name)
        places = os.path.abspath(path), os.path.abspath(out / name)  # a plan is run from any folder
        found.append(HideJob(f"{i:06}", places[0], row.get("receiver") or receiver, places[1]))
    return found


def links_in(folder: Path) -> list[Path]:
    """Symbolic links in a folder that lead to files."""
    return [each for each in _files(folder) if each.is_symlink()]


def _csv(path: Path) -> list[Mapping[str, str | None]]:
    try:
        table = csv.DictReader(io.StringIO(path.read_text("utf-8-sig")), strict=True)
        rows = list(table)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no CSV file in UTF-8"
        raise UsageError(f"{path} cannot be read: {reason}.", "Give a folder, or a CSV file.") from error
    columns = set(table.fieldnames or ())
    if "source" not in columns or not columns <= set(COLUMNS):
        reason = f"The columns of {path} are {', '.join(table.fieldnames or ['none'])}."
        raise UsageError(reason, "They must be source, and if wanted receiver and output.")
    for number, row in enumerate(rows, 2):
        if not row["source"] or None in row.values() or None in row:
            raise UsageError(f"Line {number} of {path} has not the columns of the first.", "Correct it.")
    return [row | {"source": str(path.parent / row["source"]), "output": row.get("output") or None} for row in rows]


def _files(folder: Path) -> list[Path]:
    return sorted((each for each in folder.iterdir() if each.is_file() and each.name[0] != "."), key=natural)


def _holds(path: Path, found: Revealed) -> bool:
    """Whether a file is what `save` writes under a name of its own."""
    data = encode_picture(found.picture, ".png") if found.content is None else found.content
    try:
        return path.is_file() and path.stat().st_size == len(data) and path.read_bytes() == data
    except OSError:
        return False


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{folder} cannot be created: {error.strerror}.", "Choose another folder.") from error


def _text(path: str) -> str:
    """The path, with escapes for bytes that are not in UTF-8."""
    return path.encode("utf-8", "backslashreplace").decode()
