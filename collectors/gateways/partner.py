"""The partner's ID out of what a gateway holds of it: a consumer name, a client ID, a key alias or a certificate's subject."""

from __future__ import annotations

import re
from typing import Final

_ORGANISATION: Final = re.compile(r"PSD[A-Z]{2}-[A-Z]{2,8}-[A-Za-z0-9]+")
_HEX_ORGANISATION: Final = re.compile(r"2\.5\.4\.97=#(?:[0-9a-fA-F]{2}){2}((?:[0-9a-fA-F]{2})+)")
_NAME: Final = re.compile(r"(?:^|[,/]\s*)(?:O|CN)\s*=\s*(\"[^\"]+\"|[^,/]+)")
_SUBJECT: Final = re.compile(r"(?:^|[,/]\s*)(?:CN|O|OU|C|2\.5\.4\.97|OID\.2\.5\.4\.97|organizationIdentifier)\s*=")
_NOBODY: Final = frozenset({"", "-", "anonymous", "unknown", "none", "null", "undefined"})


def partner_of(name: str) -> str:
    """The ID of a partner, '' for nobody. Of a subject (DN) the organisation ID of ETSI TS 119 495, else organisation or CN."""
    name = name.strip()
    if name.lower() in _NOBODY:
        return ""
    if _SUBJECT.search(name) is None:
        return name
    organisation = _ORGANISATION.search(name) or _ORGANISATION.search(_from_hex(name))
    if organisation is not None:
        return organisation[0]
    found = _NAME.search(name)
    return found[1].strip(' "') if found else name


def _from_hex(subject: str) -> str:
    """The organisation ID where it is written as hex of its DER form (type, length, text), as OpenSSL and nginx do."""
    found = _HEX_ORGANISATION.search(subject)
    return bytes.fromhex(found[1]).decode("ascii", "replace") if found else ""
