"""What can go wrong with a run, besides what `pipeline.errors` says of an image.

UsageError     the command line cannot work; nothing was processed, exit status 2
ImageFailed    one image failed; it becomes a row of the manifest, and the run goes on
RunStopped     no further image could be processed either; exit status 1
"""


class UsageError(Exception):
    """The message is one sentence that says what to change."""


class RunStopped(Exception):
    """The message is one sentence that says what to change. The next run continues."""


class ImageFailed(Exception):
    """`code` is the stable name of the failure, and the message is one sentence.

    Codes that the service does not have: `worker_died`, `timeout`, `write_failed`.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
