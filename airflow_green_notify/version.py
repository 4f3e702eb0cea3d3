"""The version, which packaging, provider info and requests tell."""

VERSION = "1.0.0"
