"""Errors about single videos and about a set that holds too many bad ones."""

from __future__ import annotations


class _ReadableError(RuntimeError):
    """Keeps its one sentence when a DataLoader worker's error is raised again in the main process.

    torch builds such an error as ``type(error)('Caught … Original Traceback …')``; only the
    sentence after the last ``ClassName: `` is of use to the reader.
    """

    def __init__(self, message: str) -> None:
        marker = f'{type(self).__name__}: '
        if 'Original Traceback' in message and marker in message:
            message = message.rsplit(marker, 1)[1].strip()
        super().__init__(message)


def printable(path) -> str:
    """A path as it can be shown in one line, whatever bytes the file's name consists of.

    Args:
        path: A path; of a name that is not UTF-8, as Python gives it (``surrogateescape``).

    Returns:
        The path, with line breaks, control characters and such bytes as backslash escapes.
    """
    return ''.join(
        each if each.isprintable() else each.encode('unicode_escape').decode()
        for each in str(path).encode('utf-8', 'surrogateescape').decode('utf-8', 'backslashreplace')
    )


class BadVideoError(_ReadableError):
    """A video file that cannot be used.

    Args:
        path: The file. (Or, with ``reason=None``, the whole message.)
        reason: What is wrong with it, in a few words.
    """

    kind = 'bad'

    def __init__(self, path, reason: str | None = None) -> None:
        self.path, self.reason = str(path), reason
        super().__init__(str(path) if reason is None else f'{printable(path)}: {reason}')

    def __reduce__(self):
        return type(self), (self.path, self.reason)


class ShortVideoError(BadVideoError):
    """A sound video with fewer frames than one window needs (``SampleWindow(short='drop')``)."""

    kind = 'short'


class TooManyBadVideosError(_ReadableError):
    """More videos are bad than ``max_bad_share`` allows, or no usable one is found."""
