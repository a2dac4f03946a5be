"""Sets of pairs for steganalysis: covers, and the stegos made from them.

    DIR/pairs.json             scheme, payload, and every setting on which the pictures depend
    DIR/covers/NAME@K.png      what is sent without a message: the K-th crop of the source picture NAME (or .jpg)
    DIR/stegos/NAME@K.png      the same with a message
    DIR/rows.sqlite            for each pair, how far the stego is from the plain cover, and what a receiver gets

A pair depends on its name and on the settings alone, not on how many there are: a set can be stopped, and can grow.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

import csfnns
from csfnns.batch.run import Runner
from csfnns.batch.store import FILE as ROWS
from csfnns.batch.store import Row, Store, read_json, write_json
from csfnns.covers import GENERATORS
from csfnns.errors import CapacityError, NoMessageError, PictureError, SearchError, UsageError
from csfnns.experiments import methods as adapter
from csfnns.experiments.base import Case
from csfnns.experiments.methods import METHODS, Method, ReceiverSeeds, Scheme, Setting
from csfnns.experiments.provenance import HIDING, code_digest, libraries, outside_modules
from csfnns.experiments.run import find_pictures
from csfnns.extras import require
from csfnns.files import write_result
from csfnns.images.io import Picture, fit, read_picture
from csfnns.images.metrics import psnr
from csfnns.images.output import encode_picture
from csfnns.profile import GRID, Rate, make_profile
from csfnns.steganalysis import Deep, read_for
from csfnns.stream import Seed

SPEC = "pairs.json"
MATCHING = "matching"
BYTES = {"direct": "direct", "direct-grain": "direct (grain)", "direct-jpeg": "direct (JPEG)"}
"""Schemes that hide bytes, and their labels."""
WITH_GRAIN = "direct-grain"
"""Scheme whose pictures without a message carry grain of the same distribution."""
IN_JPEG = "direct-jpeg"
"""Scheme whose pictures are JPEG files, with a message and without."""
SUFFIXES = (".png", ".jpg")
"""Of the pictures of a set, which are all of one kind."""
AS_STANDARD = "LSB matching (as many changes as standard)"
"""Label of `matching` without a rate; its payload is that of the embedding whose changes it counts."""
_NEEDED = {
    "bytes": "Set the number of random bytes in each stego.",
    "secrets": "Name a folder of pictures to hide.",
}


def schemes() -> tuple[str, ...]:
    """Names of all schemes: the methods of the tables that know no compression, LSB matching, those of bytes."""
    return (*(name for name, method in METHODS.entries().items() if not method.adapted), MATCHING, *BYTES)


@dataclass(frozen=True)
class PairSpec:
    """What a set of pairs consists of. Raises UsageError for choices that do not fit together."""

    scheme: str
    """One of `schemes()`."""
    covers: Path | str
    """Folder of source pictures, from which crops are taken; or the name of a cover generator, such as "abstract"."""
    secrets: Path | None = None
    """Folder of secrets, for schemes that hide a picture."""
    side: int = 64
    """Of the covers, in pixels: a multiple of 16 from 64."""
    bpp: Rate | None = None
    """Secret bits a cover pixel, for schemes that hide a picture: 6 unless given."""
    steps: int | None = None
    """Of each search; None for the method's own."""
    bytes: int | None = None
    """Random bytes in each stego, for the schemes of BYTES."""
    rate: float | None = None
    """For `matching`: bits a sub-pixel in (0, 1], half of which change it; None for as many changes in each cover as
    `standard` makes."""
    evade: tuple[Path, ...] = ()
    """Models of networks that the search evades, for Cs-FNNS."""
    gamma: float | None = None
    """γ of Eq. 6: their weight; None for the search's own."""
    seed: int = 1
    device: str = "cpu"

    def __post_init__(self) -> None:
        if self.scheme not in schemes():
            raise UsageError(f"There is no scheme {self.scheme!r}.", f"Choose one of: {', '.join(schemes())}.")
        if self.side % GRID or not 64 <= self.side <= 8192:
            hint = f"Sides are multiples of {GRID} from 64 to 8192."
            raise UsageError(f"Covers cannot have {self.side}x{self.side} pixels.", hint)
        if self.bpp not in (None, *get_args(Rate)):
            raise UsageError(f"bpp must be one of {', '.join(get_args(Rate))}, got {self.bpp}.", "Choose one.")
        if self.rate is not None and not 0 < self.rate <= 1:
            raise UsageError(f"rate must be in (0, 1], got {self.rate}.", "Give bits a sub-pixel.")
        for name in ("steps", "bytes"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise UsageError(f"{name} must be 1 or more, got {value}.", "Give a larger number.")
        if isinstance(self.covers, str) and GENERATORS[self.covers].source:
            raise UsageError(f"Covers of {self.covers} need a source.", "Make them first, and give their folder.")
        self._check_choices()

    @property
    def method(self) -> Method | None:
        """Method that makes the stegos, or whose changes are counted; None where no picture is hidden."""
        if self.scheme == MATCHING:
            return METHODS["standard"] if self.rate is None else None
        return None if self.scheme in BYTES else METHODS[self.scheme]

    @property
    def case(self) -> Case:
        """Rate of the search, as tables have it."""
        return Case("one", "one secret", bpp=self.bpp or "6")

    @property
    def setting(self) -> Setting:
        """What is asked of the search."""
        return Setting(self.side, self.steps, self.device)

    @property
    def payload(self) -> float:
        """Bits a pixel of the cover: of the secret's pixels, of the file, or of the chosen places."""
        if self.bytes is not None:
            return 8 * self.bytes / self.side**2
        return float(self.case.bpp) if self.rate is None else 3 * self.rate

    @property
    def label(self) -> str:
        """Name of the scheme for people."""
        if self.scheme == MATCHING:
            return AS_STANDARD if self.rate is None else "LSB matching"
        return BYTES.get(self.scheme) or METHODS[self.scheme].label

    @property
    def suffix(self) -> str:
        """Of the files of both sides."""
        return SUFFIXES[self.scheme == IN_JPEG]

    @property
    def root(self) -> Seed:
        """Seed of everything that is drawn for the set."""
        return Seed(sha256(f"csfnns/2/experiments/pairs/{self.seed}".encode()).digest())

    def _check_choices(self) -> None:
        searches = self.method is not None
        needed = {"bytes": self.scheme in BYTES, "secrets": searches}
        of_use = {**needed, "bpp": searches, "rate": self.scheme == MATCHING, "gamma": bool(self.evade)}
        of_use["steps"] = self.method is not None and self.method.steps is not None
        of_use["evade"] = searches and self.scheme != MATCHING
        for name, useful in of_use.items():
            given = getattr(self, name) not in (None, ())
            if needed.get(name) and not given:
                raise UsageError(f"{self.scheme} needs --{name}.", _NEEDED[name])
            if given and not useful:
                raise UsageError(f"{self.scheme} does not use --{name}.", "Leave it out.")
        if self.method and (reason := self.method.lacks(self.case)):
            raise UsageError(f"{self.scheme} cannot run here: {reason}.", "Choose another scheme.")


class _Covers:
    """Covers by the number of the pair: crops of pictures, or pictures of the generator."""

    def __init__(self, spec: PairSpec, out: Path, count: int) -> None:
        self._spec = spec
        if isinstance(spec.covers, str):
            self._generator = GENERATORS.make(spec.covers, make_profile(width=spec.side, height=spec.side))
            self.digest = spec.covers
            return
        files = find_pictures(spec.covers, out)
        self._names = ["_".join(path.relative_to(spec.covers).with_suffix("").parts) for path in files]
        self._files = dict(zip(self._names, files, strict=True))
        self.digest = _digest(files)
        for i, name in enumerate(self._names[:count]):
            if self._names.count(name) > 1:
                raise UsageError(f"Two pictures in {spec.covers} are called {name}.", "Rename one of them.")
            if "@" in name:
                raise UsageError("Names of covers have no @: it divides picture and crop.", f"Rename {name}.")
            self._check(self._files[name], len(range(i, count, len(self._names))))

    def name(self, i: int) -> str:
        """NAME@K of the i-th pair."""
        if isinstance(self._spec.covers, str):
            return f"{i}@0"
        return f"{self._names[i % len(self._names)]}@{i // len(self._names)}"

    def __getitem__(self, i: int) -> Picture:
        """uint8 (side, side, 3)."""
        root, side = self._spec.root, self._spec.side
        if isinstance(self._spec.covers, str):
            picture: Picture = self._generator(root.derive(f"csfnns/2/experiment/pairs/covers/{i}"))
            return picture
        name = self._names[i % len(self._names)]
        picture = read_picture(self._files[name])
        height, width = (length - side + 1 for length in picture.shape[:2])
        stream = root.derive(f"csfnns/2/experiment/pairs/places/{name}").stream()
        places: dict[int, None] = {}  # no two crops at one place
        while len(places) <= i // len(self._names):
            places[int(stream.integers(1, height * width)[0])] = None
        top, left = divmod(list(places)[-1], width)
        return picture[top : top + side, left : left + side].copy()

    def _check(self, path: Path, crops: int) -> None:
        """Raise for a picture that does not have that many crops."""
        height, width = read_picture(path).shape[:2]
        side = self._spec.side
        if min(height, width) < side:
            hint = "Remove it, or make crops smaller: --size."
            raise PictureError(f"{path} has {width}x{height} pixels, and no crop of {side}x{side}.", hint)
        places = (height - side + 1) * (width - side + 1)
        if crops > places:
            reason = f"{path} has {places} crops of {side}x{side}, and {crops} are needed."
            raise UsageError(reason, "Make fewer pairs, or add covers.")


class _Secrets:
    """Secrets by the number of the pair: all of them in a random order, then all in another."""

    def __init__(self, spec: PairSpec, out: Path) -> None:
        self._root = spec.root
        self._files = [] if spec.secrets is None else find_pictures(spec.secrets, out)
        self.digest = _digest(self._files) if self._files else None

    def __getitem__(self, i: int) -> Picture | None:
        """Of any size; None where the scheme hides no picture."""
        if not self._files:
            return None
        turn, place = divmod(i, len(self._files))
        order = self._root.derive(f"csfnns/2/experiment/pairs/secrets/{turn}").stream()
        return read_picture(self._files[order.permutation(len(self._files))[place]])


def _digest(files: Sequence[Path]) -> str:
    """Of names and bytes of files."""
    return sha256("\n".join(f"{path.name} {adapter.fingerprint(path)}" for path in files).encode()).hexdigest()


class PairGenerator:
    """Makes the pairs of a specification: a plain cover → files of what is sent without a message, and with one."""

    def __init__(self, spec: PairSpec) -> None:
        self.spec, self._networks, self.search = spec, [Deep.load(path) for path in spec.evade], ""
        self.evaded = tuple(sorted({each.name for each in self._networks}))
        self.scheme = "-".join([spec.scheme, *(["evading", *self.evaded] if self.evaded else [])])
        self.label = spec.label + (f" evading {', '.join(self.evaded)}" if self.evaded else "")
        if spec.method is not None:  # refuses an impossible search
            scheme: Any = self._make_scheme(adapter.NOBODY)
            self.search = spec.method.describe(spec.case, spec.setting)
            self.search += f", gamma={scheme.search.gamma:g} against networks" if self.evaded else ""

    def __call__(
        self, cover: Picture, secret: Picture | None, name: str
    ) -> tuple[bytes, bytes, dict[str, float | None]]:
        """File without a message, stego's file, and the figures of PairSet. Raises CapacityError and SearchError.

        Crops do not depend on the scheme, so that schemes can be compared on the same covers; the seed does.
        """
        spec, recovered = self.spec, {}
        seed = spec.root.derive(f"csfnns/2/experiment/pairs/{self.scheme}/{spec.payload:g}/{name}")
        if spec.scheme == IN_JPEG:
            assert spec.bytes is not None
            data = seed.derive("csfnns/2/experiment/data").stream().take(spec.bytes)
            files = adapter.hide_in_jpeg(cover, data, adapter.receiver_seeds(seed))
            return *files, _distance(*map(read_picture, files))
        grain = spec.scheme == WITH_GRAIN
        if secret is not None:
            stego, psnr_there = self._embed(cover, secret, adapter.receiver_seeds(seed))
            recovered = {} if spec.scheme == MATCHING else {"recovered": psnr_there}
        if spec.scheme == MATCHING:
            changes = round(spec.rate / 2 * cover.size) if spec.rate else int((stego != cover).sum())
            stego = lsb_matching(cover, changes, np.random.default_rng(list(seed.stream().take(32))))
        elif spec.bytes is not None:
            data = seed.derive("csfnns/2/experiment/data").stream().take(spec.bytes)
            stego = adapter.hide_bytes(cover, data, adapter.receiver_seeds(seed), grain=grain)
        sent = adapter.grain_decoy(cover, seed.derive("csfnns/2/experiment/decoy")) if grain else cover
        files = encode_picture(sent, ".png"), encode_picture(stego, ".png")
        return *files, {**_distance(cover, stego), **recovered}

    def _embed(self, cover: Picture, secret: Picture, receiver: ReceiverSeeds) -> tuple[Picture, float | None]:
        """Stego with a picture in it, and the PSNR that its receiver gets; None where they get nothing."""
        scheme, side = self._make_scheme(receiver), adapter.grid_side(self.spec.side, self.spec.case)
        fitted = fit(secret, side, side)
        scheme.check([fitted])
        stego = scheme.embed(cover, {receiver: fitted})
        try:
            return stego, psnr(fitted, scheme.extract(stego, cover, receiver).grid)
        except NoMessageError:
            return stego, None

    def _make_scheme(self, receiver: ReceiverSeeds) -> Scheme:
        spec, method = self.spec, self.spec.method
        assert method is not None
        scheme = method.build(method.profile(spec.case, spec.side), spec.setting, [receiver])
        networks = [each.network for each in self._networks]
        return adapter.evade(scheme, networks, spec.gamma) if networks else scheme


def _distance(plain: Picture, stego: Picture) -> dict[str, float | None]:
    return {"psnr": psnr(plain, stego), "changed": float((stego != plain).mean())}


def lsb_matching(cover: Picture, changes: int, random: np.random.Generator, strength: int = 1) -> Picture:
    """Cover with that many sub-pixels at random places moved by ±strength, inwards at the ends of the scale."""
    levels = cover.reshape(-1).astype(np.int16)
    places = random.choice(cover.size, changes, replace=False, shuffle=False)
    moved = levels[places]
    steps = np.where(random.random(changes) < 0.5, strength, -strength)
    steps = np.where(moved < strength, strength, np.where(moved > 255 - strength, -strength, steps))
    levels[places] = moved + steps
    return levels.astype(np.uint8).reshape(cover.shape)


Progress = Callable[[str, int, int], None]
"""Called after each pair with its name, how many there are, and how many are wanted."""


@dataclass(frozen=True)
class PairResult:
    """What making a set did."""

    done: int
    """Pairs that it made."""
    reused: int
    """Pairs that were there."""
    failed: Mapping[str, str]
    """Pairs that are missing, and why: a secret that does not fit, or a search that failed."""


@dataclass(frozen=True)
class _Job:
    """One pair."""

    id: str
    """Its name."""
    place: int


class _Pairs:
    """What to do with a job: make a pair, and write both pictures."""

    def __init__(self, spec: PairSpec, count: int, out: Path) -> None:
        self.generator, self._out = PairGenerator(spec), out
        self.covers, self.secrets = _Covers(spec, out, count), _Secrets(spec, out)

    def pack(self, job: _Job) -> Callable[[], tuple[Row, list[bytes]]]:
        return partial(_make, self.generator, self.covers[job.place], self.secrets[job.place], job.id)

    def unpack(self, job: _Job, result: tuple[Row, list[bytes]]) -> Row:
        row, files = result
        for data, path in zip(files, self.files(job), strict=bool(files)):
            write_result(path, data, hint="Choose another --out.")
        return row

    def lost(self, job: _Job, reason: str) -> Row:
        return {"error": reason}

    def files(self, job: _Job) -> list[Path]:
        return [self._out / side / f"{job.id}{self.generator.spec.suffix}" for side in ("covers", "stegos")]


def _make(generator: PairGenerator, cover: Picture, secret: Picture | None, name: str) -> tuple[Row, list[bytes]]:
    """Row and both files of a pair; no files where it cannot be made."""
    try:
        *files, figures = generator(cover, secret, name)
    except (CapacityError, SearchError) as error:
        return {"error": error.message}, []
    return figures, files


def make_pairs(
    spec: PairSpec, count: int, out: Path, progress: Progress | None = None, *, runner: Runner | None = None
) -> PairResult:
    """Make the first `count` pairs that the folder lacks; with the same settings again, the same bytes.

    Crops are spread evenly over the source pictures: all of them give their first before one gives its second. Several
    runs may share a folder, and the runner decides who does the work: each pair is made once.
    Raises PictureError for files that are no pictures or too small, UsageError for a folder that holds something else,
    for names with @, and for more crops than there are places, and CapacityError where every pair fails.
    """
    require("network", "A set of pairs")
    if count < 1:
        raise UsageError(f"count must be 1 or more, got {count}.", "Give a larger number.")
    pairs = _Pairs(spec, count, out)
    _claim(pairs.generator, count, out, {"covers": pairs.covers.digest, "secrets": pairs.secrets.digest})
    store, jobs = Store(out), [_Job(pairs.covers.name(i), i) for i in range(count)]
    stored = store.ids()  # before looking at files, which appear before their rows
    gone = [job.id for job in jobs if job.id in stored and not all(path.exists() for path in pairs.files(job))]
    store.remove(gone)  # pictures that were removed are made again, and failures tried again

    def done(job: _Job) -> None:
        if progress is not None:
            progress(job.id, job.place + 1, count)

    runner = runner or Runner()
    ran = runner(jobs, store, pairs, done)
    rows, jobs = store.rows(), [*runner.part(jobs)]
    failed = {job.id: rows[job.id]["error"] for job in jobs if "error" in rows.get(job.id, {})}
    if jobs and len(failed) == len(jobs):
        raise CapacityError(f"No pair can be made: {next(iter(failed.values()))}", "Choose other settings.")
    return PairResult(ran.done - len(failed), ran.reused, failed)


def _claim(generator: PairGenerator, count: int, out: Path, pictures: Mapping[str, str | None]) -> None:
    """Create the folder, and write down what it holds. Raises UsageError where it holds something else."""
    path, sides = out / SPEC, [out / "covers", out / "stegos"]
    settings = _settings(generator) | {f"pictures of --{name}": digest for name, digest in pictures.items()}
    hint = "Choose another --out, or empty this folder."
    if path.exists() and any(each.suffix in SUFFIXES for each in sides[1].glob("*")):
        found = _read(out)
        if found.settings != settings:
            raise UsageError(f"{out} holds other pairs: {_difference(found.settings, settings)}.", hint)
        count = max(count, found.count)
    elif any(side.exists() for side in sides) and not path.exists():
        raise UsageError(f"{out} holds pictures, and no {SPEC} says what they are.", hint)
    try:
        for side in sides:
            side.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{out} cannot be created: {error.strerror}.", "Choose another --out.") from error
    payload = generator.spec.payload
    write_json(path, _Content(generator.scheme, payload, generator.label, generator.evaded, count, settings))


def _settings(generator: PairGenerator) -> dict[str, Any]:
    """Everything on which a pair depends, but for its name and the pictures of the folders."""
    spec = generator.spec
    names = ("scheme", "bpp", "steps", "bytes", "rate", "gamma", "seed", "device")
    parts = (*HIDING, "covers", "experiments/pairs.py", *(["steganalysis"] if spec.evade else []))
    outside = outside_modules(GENERATORS[spec.covers].factory) if isinstance(spec.covers, str) else []
    return {
        "size": spec.side,
        **{name: getattr(spec, name) for name in names},
        "search": generator.search,
        "models of --evade": _digest(spec.evade) if spec.evade else None,
        "csfnns": csfnns.__version__,
        "code": code_digest(parts, outside),
        **libraries(),
    }


def _difference(found: Mapping[str, Any], settings: Mapping[str, Any]) -> str:
    """The first setting that differs, in words."""
    name = next(name for name in {**settings, **found} if found.get(name) != settings.get(name))
    if name == "code":
        return "another version of the program made them"
    if name == "search" or name.startswith(("pictures", "models")):
        return f"{name} differ"
    return f"{name} is {found.get(name)} there, and {settings.get(name)} here"


@dataclass(frozen=True)
class _Content:
    """What pairs.json says; scheme and payload suffice for stegos of other programs."""

    scheme: str
    payload: float
    label: str = ""
    trained_against: tuple[str, ...] = ()
    count: int = 0
    settings: dict[str, Any] = field(default_factory=dict)


Side = Literal["covers", "stegos"]


@dataclass(frozen=True)
class PairSet:
    """A set in its folder."""

    folder: Path
    scheme: str
    label: str
    payload: float
    """Bits a pixel of the cover."""
    trained_against: tuple[str, ...]
    """Detectors whose gradients the search used: what they find says less."""
    names: tuple[str, ...]
    """NAME@K of each complete pair, in order."""
    count: int
    """Pairs that were asked for."""
    steps: int | None
    """Of each search, where it was not the method's own."""
    figures: Mapping[str, Row]
    """By pair, where they are known: `psnr` in dB and `changed`, the share of sub-pixels, of stego against plain cover
    (of JPEG files: against the one without a message); for hidden pictures `recovered`, what a receiver gets in dB, None
    for nothing."""
    suffix: str = SUFFIXES[0]
    """Of its files, one of SUFFIXES."""

    @property
    def key(self) -> str:
        """Scheme and payload in one word, such as "standard-6"."""
        return f"{self.scheme}-{self.payload:g}"

    def cover(self, name: str) -> Picture:
        """uint8 (H, W, 3)."""
        return read_picture(self.path("covers", name))

    def stego(self, name: str) -> Picture:
        """uint8 (H, W, 3)."""
        return read_picture(self.path("stegos", name))

    def read(self, side: Side, names: Iterable[str], detector: str) -> Iterator[Any]:
        """Covers or stegos, one after another, as the detector of that name reads them."""
        return (read_for(detector, self.path(side, name)) for name in names)

    def digest(self, name: str) -> str:
        """SHA-256 of both files' digests."""
        digests = [adapter.fingerprint(self.path(side, name)) for side in get_args(Side)]
        return sha256("".join(digests).encode()).hexdigest()

    def path(self, side: Side, name: str) -> Path:
        """File of a cover or of a stego."""
        return self.folder / side / f"{name}{self.suffix}"


def load_pairs(folder: Path) -> PairSet:
    """Set in a folder: pairs whose cover and stego both exist, as .png or as .jpg, whichever are more.

    pairs.json needs only scheme and payload, and may have label, trained_against and count, so that stegos of other
    programs can be evaluated too. Raises UsageError for a folder without.
    """
    content = _read(folder)
    found = {suffix: _complete(folder, suffix) for suffix in SUFFIXES}
    suffix = max(SUFFIXES, key=lambda each: len(found[each]))
    both = found[suffix]
    if not 0 < content.payload < math.inf:
        reason = f"payload in {folder / SPEC} must be above 0, got {content.payload}."
        raise UsageError(reason, "Give bits a pixel.")
    if not both:
        raise UsageError(f"There are no pairs in {folder} yet.", "Make them first: csfnns experiment pairs.")
    rows = Store(folder, must_exist=True).rows() if (folder / ROWS).is_file() else {}
    return PairSet(
        folder,
        content.scheme,
        content.label or content.scheme,
        content.payload,
        content.trained_against,
        both,
        content.count or len(both),
        content.settings.get("steps"),
        {name: rows[name] for name in both if name in rows},
        suffix,
    )


def _complete(folder: Path, suffix: str) -> tuple[str, ...]:
    """Names of the pairs of which both files are there."""
    names = [{path.stem for path in (folder / side).glob(f"*{suffix}")} for side in get_args(Side)]
    return tuple(sorted(names[0] & names[1]))


def source_of(name: str) -> str:
    """Source picture of a pair: the part of its name before the first @."""
    return name.partition("@")[0] or name


def read_settings(folder: Path) -> Mapping[str, Any]:
    """Everything on which the pairs of a set depend. Raises UsageError for a folder without."""
    return _read(folder).settings


def _read(folder: Path) -> _Content:
    hint = "Make pairs with: csfnns experiment pairs."
    return read_json(folder / SPEC, _Content, f"There are no pairs in {folder}: no {SPEC}.", hint)
