"""Every error that csfnns raises on purpose.

CsfnnsError                 message + hint; `exit_code` is what the command line ends with
├── UsageError        2     arguments that do not fit together
├── PictureError      3     a file that is no picture, too large, truncated, or a lossy output name
├── KeyFileError      4     a key file or passphrase that is mangled, missing, weak or of the wrong kind
│   └── WeakPassphraseError
├── CoverError        6     no cover: album used up or changed, generator unknown
├── CapacityError     7     the payload does not fit
├── NoMessageError    8     nothing for this key in this picture
│   └── DamagedError  9     this key's cover, but nothing readable on it
├── SearchError       10    the search did not end in a stego picture that decodes
└── Cancelled         130   stopped by the caller
"""


class CsfnnsError(Exception):
    """Base of all errors. `message` says what is wrong, `hint` what to do next."""

    exit_code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()


class UsageError(CsfnnsError):
    """Arguments that do not fit together."""

    exit_code = 2


class PictureError(CsfnnsError):
    """A file that is no picture, too large or truncated, or an output name that would lose data."""

    exit_code = 3


class KeyFileError(CsfnnsError):
    """A key file or passphrase that is mangled, missing, weak or of the wrong kind."""

    exit_code = 4


class WeakPassphraseError(KeyFileError):
    """A passphrase that can be guessed."""


class CoverError(CsfnnsError):
    """There is no cover: album used up or changed, generator unknown."""

    exit_code = 6


class CapacityError(CsfnnsError):
    """The payload does not fit into this cover."""

    exit_code = 7


class NoMessageError(CsfnnsError):
    """Nothing for this key in this picture."""

    exit_code = 8


class DamagedError(NoMessageError):
    """The picture was made on this key's cover, but it was changed on its way or holds nothing for this receiver."""

    exit_code = 9


class SearchError(CsfnnsError):
    """The search did not end in a stego picture that decodes."""

    exit_code = 10


class Cancelled(CsfnnsError):
    """Stopped by the caller before anything was written."""

    exit_code = 130
