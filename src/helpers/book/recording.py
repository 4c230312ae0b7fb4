"""Record many claims of a page at once."""

from helpers.book.run import Run


def record_all(run: Run, found: dict[int | None, dict]) -> None:
    """Record what a page found for several claims; what has no value at any seed was not run.

    Parameters
    ----------
    run : helpers.book.run.Run
    found : dict
        Seed, or None, to ``{claim: value}``; a value that is text is the reason why there is none.
    """
    recorded, reasons = set(), {}
    for seed, values in found.items():
        for claim, value in values.items():
            if isinstance(value, str):
                reasons[claim] = value
            else:
                run.record(claim, value, seed)
                recorded.add(claim)
    for claim, reason in reasons.items():
        if claim not in recorded:
            run.not_run(claim, reason)
