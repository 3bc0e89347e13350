"""The errors that a user can cause and mend."""


class AutodasError(Exception):
    """Something that the user can mend: the message says what is wrong, where, and what to do.

    Settings stand between backticks, as Python spells them (`` `optim.lr=0.1` ``). The command line prints
    the message as one line, with settings as flags, and exits with code 2, without a traceback
    (``--debug`` shows it). Everything else that is raised is a defect of autodas.
    """


class Interrupted(Exception):  # noqa: N818
    """The run was asked to stop and has saved its state; it goes on with ``resume``."""


class GenotypeError(AutodasError):
    """A genotype that is malformed or does not belong to its space; the message names the place."""


def nearest(name: str, known: list[str] | tuple[str, ...]) -> str:
    """Return a hint such as ``"; did you mean 'sdas'?"``, or the known names when none is near.

    Args:
        name: what the user wrote.
        known: the names that exist.
    """
    import difflib

    matches = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    if matches:
        return f"; did you mean '{matches[0]}'?"
    return f"; known: {', '.join(known)}" if len(known) <= 24 else ""
