"""Find secrets in text, and replace them before they are stored.

A small rule set: keys and tokens whose makers gave them a form that nothing else has (the forms are
those that https://github.com/gitleaks/gitleaks and the makers' own pages list), private keys, card
numbers that pass Luhn's check, passwords in addresses, and what stands behind a word such as
"password:". Randomness alone is not a rule: commit hashes, UUIDs, checksums and identifiers look as
random as keys do, and notes are full of them.
"""

from .finding import find_secrets, masked, redact
from .redactor import Redactor
from .rules import Secret

__all__ = ["Redactor", "Secret", "find_secrets", "masked", "redact"]
