"""Which credentials of Azure this process has: as its environment says, or files that this names.

They are looked up whenever a client is made: one whose key or signature has run out is made anew.
"""

from __future__ import annotations

from landcover.redaction import variable

PROTOCOLS = frozenset({"abfs", "abfss", "az"})

NO_CREDENTIALS = (
    "cannot be reached, as this process has no credentials that Azure takes: set "
    "AZURE_STORAGE_ACCOUNT_NAME with AZURE_STORAGE_ACCOUNT_KEY or AZURE_STORAGE_SAS_TOKEN, or "
    "AZURE_STORAGE_CONNECTION_STRING, in the environment of every worker"
)

# What adlfs and GDAL call the same thing, and the argument of adlfs for it.
_NAMES = (
    ("AZURE_STORAGE_ACCOUNT_NAME", "AZURE_STORAGE_ACCOUNT", "account_name"),
    ("AZURE_STORAGE_ACCOUNT_KEY", "AZURE_STORAGE_ACCESS_KEY", "account_key"),
    ("AZURE_STORAGE_SAS_TOKEN", "AZURE_STORAGE_SAS_TOKEN", "sas_token"),
    ("AZURE_STORAGE_CONNECTION_STRING", "AZURE_STORAGE_CONNECTION_STRING", "connection_string"),
)


def arguments() -> dict[str, str]:
    """What is known, as arguments of adlfs."""
    return {argument: value for adlfs, gdal, argument in _NAMES if (value := _value(adlfs, gdal))}


def gdal_options() -> dict[str, str]:
    """What is known, as options of GDAL."""
    return {gdal: value for adlfs, gdal, _ in _NAMES if (value := _value(gdal, adlfs))}


def _value(*names: str) -> str:
    """What the first of some variables says that says anything.

    Portals show a signature with the question mark of a query, which no client wants twice.
    """
    told = next((value for name in names if (value := variable(name))), "")
    return told.removeprefix("?").replace("SharedAccessSignature=?", "SharedAccessSignature=")
