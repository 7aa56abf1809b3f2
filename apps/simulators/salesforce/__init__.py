"""Salesforce with the CPQ package (SBQQ), REST API v67.0, one multi-currency org."""
