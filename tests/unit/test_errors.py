"""The error tree."""

import pytest

from lmort_memory import errors


def test_one_base_catches_all():
    """Every error of ours is an LmortError, and every one is listed."""
    classes = {
        name
        for name, value in vars(errors).items()
        if isinstance(value, type) and issubclass(value, Exception)
    }
    assert classes == set(errors.__all__)
    assert all(issubclass(getattr(errors, name), errors.LmortError) for name in classes)


def test_errors_carry_their_facts():
    """What a program wants to know is an attribute; the message is for people."""
    mismatch = errors.TunerMismatchError("no", expected="a", found="b")
    assert (mismatch.expected, mismatch.found) == ("a", "b")
    with pytest.raises(LookupError, match="01ABC"):
        raise errors.RecordNotFoundError("01ABC")
    with pytest.raises(ImportError, match=r"pip install 'lmort-memory\[train\]'"):
        raise errors.MissingDependencyError("torch", extra="train")
