"""Types of _fastcapture.c."""

ABI: int
EVAL: int
ABORT: int
