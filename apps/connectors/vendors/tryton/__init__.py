"""Tryton 8.2 over JSON-RPC, with the module hub_external_id of erp-modules/tryton."""
