"""CNTK models without CNTK: reading and conversion."""
